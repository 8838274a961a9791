"""What goes wrong with custody.

LedgerError
├── CustodyRefused      a payload is not taken or not given; ``code`` is one of ``REFUSALS``
├── PayloadDamaged      what the medium gives back for a payload is not what was kept
├── TransportFailed     a member's node was not reached, or did not answer
├── ReceiptsMissing     too few custodians signed; ``failures`` says who failed how
├── PayloadUnavailable  no custodian gave a payload; ``failures`` says who failed how
└── Halt (kernel)
    └── CustodyStopped  the custody store cannot be written or read
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from traco.kernel.errors import Halt, LedgerError
from traco.modules.channel.parts import Receipt

REFUSALS: Final = {
    "custody.malformed": "this is no payload that this release knows, or it names another epoch",
    "custody.channel_not_open": "the channel is not open on the root as this node has it",
    "custody.not_entitled": "the asking member takes no part in the channel's present epoch",
    "custody.not_custodian": "the custodian that was asked is none of the channel's, or not on this node",
    "custody.epoch": "the channel is in another epoch",
    "custody.order_by": "the receipt would end in the past, or too far ahead",
    "custody.too_large": "the payload is larger than the channel takes",
    "custody.sender_full": "too much of this sender waits to be ordered",
    "custody.full": "there is no room left for what is not ordered yet",
    "custody.busy": "more is asked than this node's disk can follow",
    "custody.already_ordered": "the payload was ordered before",
    "custody.erased": "the channel's members had the payload erased",
    "custody.wrong_bytes": "the bytes are not those of the hash",
    "custody.not_held": "this node does not hold the payload",
    "custody.damaged": "this node's copy of the payload is damaged",
}
"""Every code that a custodian answers with, and its meaning."""

FINAL: Final = frozenset({"custody.malformed", "custody.too_large", "custody.already_ordered"})
"""Refusals that asking again does not change. The others may be those of a node that is behind, or full for a while."""

FOUND_OUT: Final = {
    "custody.unreachable": "no connection, or none that is allowed",
    "custody.timeout": "no answer in time",
    "custody.unanswered": "had not answered when it was no longer waited for",
    "custody.receipt_forged": "signed something else, or with another key",
    "custody.answer_wrong": "answered something that is no answer to the question",
}
"""What the asking side says of a custodian, beside ``REFUSALS`` and ``custody.wrong_bytes``."""


class CustodyRefused(LedgerError):
    """Refused, with a stable code."""

    def __init__(self, code: str) -> None:
        super().__init__(f"{code}: {REFUSALS[code]}")
        self.code = code


class PayloadDamaged(LedgerError):
    """``custody.damaged``: the payload is not served; fetch it from another custodian and keep it again."""

    code: Final = "custody.damaged"

    def __init__(self, channel: bytes, payload: bytes) -> None:
        super().__init__(
            f"{self.code}: what is stored for payload {payload.hex()} of channel {channel.hex()} is not what was kept. "
            "Check the disk; fetch the payload from another custodian."
        )
        self.channel = channel
        self.payload = payload


class CustodyStopped(Halt):
    """The custody store cannot be relied on: no receipt may be signed until it was opened anew."""


class TransportFailed(LedgerError):
    """A call to another member's node came to nothing; ``code`` is stable."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class CustodianFailure(NamedTuple):
    """What a custodian answered instead, or what was found out about its answer."""

    member: bytes
    code: str


class ReceiptsMissing(LedgerError):
    """``custody.receipts_missing``: the payload can only be ordered with its bytes on the root."""

    code: Final = "custody.receipts_missing"

    def __init__(
        self, needed: int, receipts: tuple[Receipt, ...], failures: tuple[CustodianFailure, ...]
    ) -> None:
        super().__init__(
            f"{self.code}: {len(receipts)} of {needed} custodians hold the payload ({_shown(failures)}). "
            "Try again, or put the payload itself on the root."
        )
        self.receipts = receipts
        self.failures = failures


class PayloadUnavailable(LedgerError):
    """``custody.unavailable``: nobody gave the payload."""

    code: Final = "custody.unavailable"

    def __init__(self, payload: bytes, failures: tuple[CustodianFailure, ...]) -> None:
        super().__init__(
            f"{self.code}: no custodian gave payload {payload.hex()} ({_shown(failures)}). "
            "Try again; if it stays so, report it missing on the root."
        )
        self.payload = payload
        self.failures = failures


def _shown(failures: Sequence[CustodianFailure]) -> str:
    return ", ".join(f"{member.hex()} {code}" for member, code in failures) or "nobody else to ask"
