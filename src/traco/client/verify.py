"""A verified finality receipt in words: what was signed, by whom, what became of it, and what the proof assumes.

Works with a receipt file and a genesis document alone. Not for proving anything itself: that is ``kernel.finality``.
"""

import importlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import msgspec

from traco.client.channel_receipts import VerifiedInChannel, is_channel_receipt, verify_channel_receipt
from traco.client.forms import to_form
from traco.kernel.codec import Record
from traco.kernel.finality import Outcome, Verified, verify_receipt
from traco.kernel.instruction import Event, Instruction

UNSHOWABLE: Final = "(not of a form that can be shown)"

_MESSAGES: Final[Mapping[str, tuple[str, str]]] = {
    "kernel": ("traco.kernel.operations", "traco.kernel.operations"),
    **{
        name: (f"traco.modules.{name}.messages", f"traco.modules.{name}.events")
        for name in ("party", "holding", "settlement", "document", "financing", "network", "channel", "leg")
    },
}


def verify(receipt: bytes, genesis: bytes) -> dict[str, Any]:
    """What a receipt file proves under a genesis document, as plain values. Raises ``ReceiptInvalid``.

    The file may be of the root, or of a confidential channel.
    """
    if is_channel_receipt(receipt):
        return describe_in_channel(verify_channel_receipt(receipt, genesis))
    return describe(verify_receipt(receipt, genesis))


def describe(verified: Verified) -> dict[str, Any]:
    """What was proven, as plain values: instructions and events are forms where this release knows their types."""
    return {**_happened(verified, verified.identity, verified), **_sealed(verified)}


def describe_in_channel(verified: VerifiedInChannel) -> dict[str, Any]:
    """The same of a transaction in a channel; height, time and seal are those of the root's word that confirmed its point."""
    said = _sealed(verified.root)
    believed = "no more members of the channel are faulty than its terms on the root say"
    return {
        **_happened(verified.root, verified.outcome.identity, verified.outcome),
        "channel": verified.channel.hex(), "point": verified.ordinal,
        **said, "assumes": [*said["assumes"], believed],
    }  # fmt: skip


def _happened(root: Verified, identity: bytes, what: Verified | Outcome) -> dict[str, Any]:
    failure = what.receipt.failure
    return {
        "valid": True,
        "network": root.network.hex(),
        "network_name": root.genesis.name,
        "transaction": identity.hex(),
        "outcome": "success" if failure is None else "rejected",
        "failure": None
        if failure is None
        else {"code": failure.code, "fields": to_form(dict(failure.fields))},
        "instructions": [_readable(item, Instruction) for item in what.body.instructions],
        "events": [_readable(item, Event) for item in what.receipt.events],
        "signers": [key.hex() for key in what.signers],
    }


def _sealed(verified: Verified) -> dict[str, Any]:
    return {
        "height": verified.height,
        "time_ms": verified.time_ms,
        "sealed_height": verified.sealed_height,
        "sealed_time_ms": verified.sealed_time_ms,
        "seal_key": verified.genesis.seal.key,
        "seal": _sealing(verified),
        "assumes": [
            "the genesis document is that of the network you mean (compare its id with one you trust)",
            *_assumptions(verified),
        ],
    }


def _sealing(verified: Verified) -> dict[str, Any]:
    """Who sealed: keys with their voting power out of the total. A checkpoint has one key, with all power."""
    sealing = verified.sealing
    return {
        "kind": verified.genesis.seal.kind,
        "signers": [{"key": key.hex(), "power": power} for key, power in sealing.signers],
        "total_power": sealing.total_power,
        "handovers": sealing.handovers,
    }


def _assumptions(verified: Verified) -> list[str]:
    if verified.genesis.seal.kind == "checkpoint":
        return [f"the key that seals ({verified.genesis.seal.key}) was not stolen or misused"]
    return [
        "at no time since the founding did validators with a third of the voting power or more break the rules together",
        "keys of validators that have left were not stolen or misused",
    ]


def as_text(proof: Mapping[str, Any]) -> str:
    """The same for people."""
    failure = proof["failure"]
    lines = [
        "VALID: this happened on the ledger."
        if "channel" not in proof
        else "VALID: this happened in a channel.",
        "",
        f"transaction  {proof['transaction']}",
        f"outcome      {proof['outcome']}"
        + (f": {failure['code']} {_fields(failure['fields'])}" if failure else ""),
        *_place_lines(proof),
        f"network      {proof['network_name']!r}, id {proof['network']}",
        f"sealed       at height {proof['sealed_height']}, {_time(proof['sealed_time_ms'])}",
        *_seal_lines(proof["seal"]),
    ]
    for title, items in (("instruction", proof["instructions"]), ("event", proof["events"])):
        lines += [f"{title:12} {item['type']}: {_fields(item)}" for item in items]
    lines.append("amounts      are in smallest units")
    lines += [f"signed by    key {key}" for key in proof["signers"]]
    lines += [f"assumes      {assumption}" for assumption in proof["assumes"]]
    return "\n".join(lines) + "\n"


def _place_lines(proof: Mapping[str, Any]) -> list[str]:
    block = f"{proof['height']}, {_time(proof['time_ms'])}"
    if "channel" not in proof:
        return [f"block        {block}"]
    return [f"channel      {proof['channel']}, point {proof['point']}", f"confirmed    in block {block}"]


def _seal_lines(seal: Mapping[str, Any]) -> list[str]:
    if seal["kind"] == "checkpoint":
        return []
    power = sum(signer["power"] for signer in seal["signers"])
    lines = [
        f"sealed by    {len(seal['signers'])} validators, {power} of {seal['total_power']} voting power",
        f"handovers    {seal['handovers']} (changes of the validators since the founding)",
    ]
    return lines + [f"validator    {signer['key']}, power {signer['power']}" for signer in seal["signers"]]


def _fields(form: Mapping[str, Any]) -> str:
    shown = (
        f"{name}={_quoted(value) if name == 'reference' else _value(value)}"
        for name, value in form.items()
        if name != "type"
    )
    return ", ".join(shown)


def _quoted(value: Any) -> str:
    """A reference, which is bytes in hex: as text in quotation marks where it is text that can be shown, else in hex."""
    shown = _value(value)
    try:
        text = bytes.fromhex(shown).decode()
    except ValueError:
        return shown
    return msgspec.json.encode(text).decode() if text and text.isprintable() else shown


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if text.isprintable() else ascii(text)  # nothing that a terminal would obey


def _time(time_ms: int) -> str:
    seconds, rest = divmod(time_ms, 1_000)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{time_ms} ms"
    return f"{moment:%Y-%m-%d %H:%M:%S}.{rest:03} UTC"


def _readable(item: Any, base: type[Record]) -> dict[str, Any]:
    """An instruction or event as a form; its bare values where its type is not known here."""
    tag = item[0] if isinstance(item, list) and item and isinstance(item[0], str) else ""
    kind = _kinds(tag.partition(".")[0], base).get(tag)
    if kind is not None:
        try:
            form: dict[str, Any] = to_form(msgspec.convert(item, kind))
            return form
        except ValueError:
            pass  # another release's form of the same name: show it as it is
    try:
        return {"type": tag or "unknown", "values": to_form(item[1:] if tag else item)}
    except (TypeError, RecursionError):
        # sealed all the same: whoever has the seal's key can seal what no module makes
        return {"type": tag or "unknown", "values": UNSHOWABLE}


@cache
def _kinds(module: str, base: type[Record]) -> dict[str, type[Record]]:
    """The instructions or events of a module, by tag."""
    if module not in _MESSAGES:
        return {}
    loaded = importlib.import_module(_MESSAGES[module][0 if base is Instruction else 1])
    kinds = [kind for kind in vars(loaded).values() if isinstance(kind, type) and issubclass(kind, base)]
    return {str(kind.__struct_config__.tag): kind for kind in kinds}
