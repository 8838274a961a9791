"""One example of every record, instruction, event, parameter and id of the module, for the golden vectors."""

from typing import Any

import msgspec

from traco.kernel.codec import Record, encode
from traco.kernel.registry import tag_of
from traco.modules.holding import events, messages, state
from traco.modules.holding.parameters import HoldingParameters

PARTY, OTHER, ACCOUNT, INSTRUMENT = (bytes([number]) * 16 for number in (1, 2, 3, 4))
HASH, SALT = b"\x05" * 32, b"\x06" * 16
FILL: dict[str, Any] = {
    "code": "EUR", "currency": "EUR", "decimals": 2, "transfer_check": "test.check", "cap": 2**63 - 1,
    "kind": messages.InstrumentKind.CASH, "debit": messages.DebitControl.SERVICER,
    "credit": messages.CreditControl.OPEN, "cause": events.Cause.TRANSFER, "end": events.HoldEnd.EXPIRED,
    "operators": (PARTY, OTHER), "instruments": (INSTRUMENT,), "salt": SALT, "reference": b"invoice 7",
    "account": ACCOUNT, "sender": ACCOUNT, "receiver": OTHER, "instrument": INSTRUMENT, "parent": None,
    "terms": HASH, "order": HASH, "hold": HASH, "pledge": HASH, "attachment": HASH,
    "expires_ms": 1_790_000_000_000, "since_ms": 1_790_000_000_000,
    "amount": 300, "found": 200, "attached": 200, "left": 100, "returned": 100,
    "issued": 300, "redeemed": 100, "outstanding": 200, "carries": 0,
    "available": 1, "held": 2, "pledged": 128, "bucket": 65_536, "incoming": 0, "awaited": 5,
    "rows": 1, "children": 0, "closed": False, "final": True, "executed": True,
}  # fmt: skip
ACCOUNT_KIND = ("AccountOpened", "OpenAccount", "Account")


def example(kind: type[Record]) -> Record:
    """The example of one type: each field by its name, parties where nothing else is meant."""
    values = {field.name: FILL.get(field.name, PARTY) for field in msgspec.structs.fields(kind)}
    if kind.__name__ in ACCOUNT_KIND:
        values["kind"] = messages.AccountKind.CLIENT
    return kind(**values)


def vectors() -> dict[str, str]:
    """Name: bytes in hex, of everything of this module that is stored, signed or put into receipts."""
    written: dict[str, str] = {}
    for module in (messages, events):
        for kind in vars(module).values():
            if (
                isinstance(kind, type)
                and issubclass(kind, Record)
                and str(tag_of(kind)).startswith("holding.")
            ):
                written[tag_of(kind)] = encode(example(kind)).hex()
    for name, kind in vars(state).items():
        if isinstance(kind, type) and issubclass(kind, Record) and kind.__module__ == state.__name__:
            written[f"state.{name}"] = encode(example(kind)).hex()
    written["parameters"] = encode(HoldingParameters()).hex()
    written["id.instrument"] = messages.instrument_id(PARTY, "EUR").hex()
    written["id.account"] = messages.account_id(PARTY, SALT).hex()
    written["id.hold"] = messages.hold_id(PARTY, SALT).hex()
    written["id.pledge"] = messages.pledge_id(PARTY, SALT).hex()
    written["id.attachment"] = messages.attachment_id(PARTY, SALT).hex()
    written["key.holding"] = state.HOLDINGS.key(INSTRUMENT, ACCOUNT).hex()
    return dict(sorted(written.items()))
