"""Events that move value or set it aside, as entries of the journal and changes of holdings and encumbrances.

Every kind of event has one function here that says which parts of which holdings it changes; that these agree with what the
ledger did is what ``reconciliation`` checks. Balances are relative until the batch is written: then the holdings it touches are
read once, and written once.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from traco.kernel.batch_hold import EDGE
from traco.modules.holding import events as hold
from traco.modules.holding.events import Cause
from traco.projections.registers import Place

PARTS: Final = ("available", "held", "pledged", "attached", "bucket", "incoming", "awaited")
"""The parts of a holding in the order of its record; the first five are owned."""

AVAILABLE, HELD, PLEDGED, ATTACHED, BUCKET, INCOMING, AWAITED = range(7)
OWNED: Final = 7
BASE: Final = 8  # what was owned before the batch, set when it is written
NO_PARTS: Final = (0,) * 9
_PART_OF_CAUSE: Final = {
    Cause.TRANSFER: AVAILABLE,
    Cause.HOLD: HELD,
    Cause.PLEDGE: PLEDGED,
    Cause.ATTACHMENT: ATTACHED,
    Cause.BATCH: BUCKET,
}

HoldingKey = tuple[bytes, bytes]
"""Instrument and account; the account of an instrument's contra account is the instrument itself."""


class Movement(NamedTuple):
    """Two entries of the journal. Balances are relative to what the accounts owned before the batch.

    ``debited_parts`` and ``credited_parts`` are the lists of ``Movements.parts``, whose last number is that base once it is known.
    """

    instrument: bytes
    debited: bytes
    credited: bytes
    amount: int
    debited_parts: list[int]
    debited_balance: int
    credited_parts: list[int]
    credited_balance: int
    place: Place
    cause: str
    reference: bytes


class Encumbrance(NamedTuple):
    """A row of the table of encumbrances."""

    identity: bytes
    kind: str
    account: bytes
    instrument: bytes
    amount: int
    left: int
    beneficiary: bytes
    expires_ms: int
    status: str


class Movements:
    """What a batch of blocks moves. ``earlier`` are the encumbrances made before it that its events name."""

    def __init__(self, earlier: Iterable[Encumbrance] = ()) -> None:
        self.movements: list[Movement] = []
        self.parts: dict[HoldingKey, list[int]] = {}
        self.encumbrances = {made.identity: made for made in earlier}
        self.touched: dict[bytes, None] = {}  # the encumbrances to be written

    def apply(self, event: Any, place: Place) -> bool:
        """Take an event in; False where it is about something else."""
        handler = _HANDLERS.get(type(event))
        if handler is None:
            return False
        handler(self, event, place)
        return True

    def parts_of(self, instrument: bytes, account: bytes) -> list[int]:
        """The parts of a holding, relative, to be changed."""
        key = (instrument, account)
        parts = self.parts.get(key)
        if parts is None:
            parts = self.parts[key] = list(NO_PARTS)
        return parts

    def change(self, instrument: bytes, account: bytes, *changes: tuple[int, int]) -> list[int]:
        """Add to parts of a holding, as (part, amount); all parts, relative."""
        parts = self.parts_of(instrument, account)
        for part, amount in changes:
            parts[part] += amount
            if part <= BUCKET:
                parts[OWNED] += amount
        return parts

    def encumber(self, made: Encumbrance) -> None:
        """A new encumbrance, perhaps under an id that was used by one that ended."""
        self.encumbrances[made.identity] = made
        self.touched[made.identity] = None

    def reduce(self, identity: bytes, left: int, status: str) -> Encumbrance:
        """What remains of an encumbrance; as it was before."""
        before = self.encumbrances[identity]
        self.encumbrances[identity] = before._replace(left=left, status=status)
        self.touched[identity] = None
        return before


_NAMED: Final[dict[type[Any], Callable[[Any], bytes]]] = {
    hold.HoldExecuted: lambda event: event.hold,
    hold.HoldEnded: lambda event: event.hold,
    hold.PledgeReduced: lambda event: event.pledge,
    hold.AttachmentExecuted: lambda event: event.attachment,
    hold.AttachmentLifted: lambda event: event.attachment,
}


def named_encumbrance(event: Any) -> bytes | None:
    """The id of the encumbrance that an event continues, which may have been made before its batch."""
    name = _NAMED.get(type(event))
    return None if name is None else name(event)


def _issued(to: Movements, event: hold.Issued, place: Place) -> None:
    instrument, account, amount = event.instrument, event.account, event.amount
    contra = to.parts_of(instrument, instrument)
    contra[OWNED] -= amount
    parts = to.change(instrument, account, (AVAILABLE, amount))
    to.movements.append(
        Movement(
            instrument, instrument, account, amount, contra, contra[OWNED], parts, parts[OWNED], place, "issue", event.reference
        )
    )  # fmt: skip


def _redeemed(to: Movements, event: hold.Redeemed, place: Place) -> None:
    instrument, account, amount = event.instrument, event.account, event.amount
    contra = to.parts_of(instrument, instrument)
    contra[OWNED] += amount
    parts = to.change(instrument, account, (AVAILABLE, -amount))
    to.movements.append(
        Movement(
            instrument, account, instrument, amount, parts, parts[OWNED], contra, contra[OWNED], place, "redeem", event.reference
        )
    )  # fmt: skip


def _moved(to: Movements, event: hold.Moved, place: Place) -> None:
    instrument, amount, cause = event.instrument, event.amount, event.cause
    debited = to.parts_of(instrument, event.sender)
    credited = to.parts_of(instrument, event.receiver)
    debited[_PART_OF_CAUSE[cause]] -= amount
    debited[OWNED] -= amount
    credited[AVAILABLE] += amount
    credited[OWNED] += amount
    if cause is Cause.BATCH:
        credited[INCOMING] -= amount
    to.movements.append(
        Movement(
            instrument, event.sender, event.receiver, amount, debited, debited[OWNED], credited, credited[OWNED], place,
            cause.value, event.reference,
        )
    )  # fmt: skip


def _hold_placed(to: Movements, event: hold.HoldPlaced, _: Place) -> None:
    to.change(event.instrument, event.account, (AVAILABLE, -event.amount), (HELD, event.amount))
    to.encumber(
        Encumbrance(
            event.hold, "hold", event.account, event.instrument, event.amount, event.amount, event.executor, event.expires_ms,
            "open",
        )
    )  # fmt: skip


def _hold_executed(to: Movements, event: hold.HoldExecuted, _: Place) -> None:
    to.reduce(event.hold, event.left, "open")  # what moved has an event of its own


def _hold_ended(to: Movements, event: hold.HoldEnded, _: Place) -> None:
    ended = to.reduce(event.hold, 0, event.end.value)
    to.change(ended.instrument, ended.account, (HELD, -event.returned), (AVAILABLE, event.returned))


def _pledged(to: Movements, event: hold.Pledged, _: Place) -> None:
    to.change(event.instrument, event.account, (AVAILABLE, -event.amount), (PLEDGED, event.amount))
    to.encumber(
        Encumbrance(
            event.pledge, "pledge", event.account, event.instrument, event.amount, event.amount, event.pledgee, 0, "open"
        )
    )  # fmt: skip


def _pledge_reduced(to: Movements, event: hold.PledgeReduced, _: Place) -> None:
    ended = "executed" if event.executed else "released"
    reduced = to.reduce(event.pledge, event.left, "open" if event.left else ended)
    if not event.executed:  # else what moved has an event of its own
        to.change(reduced.instrument, reduced.account, (PLEDGED, -event.amount), (AVAILABLE, event.amount))


def _attached(to: Movements, event: hold.Attached, _: Place) -> None:
    found, awaited = event.found, event.amount - event.found
    to.change(event.instrument, event.account, (AVAILABLE, -found), (ATTACHED, found), (AWAITED, awaited))
    to.encumber(
        Encumbrance(
            event.attachment, "attachment", event.account, event.instrument, event.amount, event.amount, event.authority, 0,
            "open",
        )
    )  # fmt: skip


def _arrival_attached(to: Movements, event: hold.ArrivalAttached, _: Place) -> None:
    taken = event.amount
    to.change(event.instrument, event.account, (AVAILABLE, -taken), (ATTACHED, taken), (AWAITED, -taken))


def _attachment_executed(to: Movements, event: hold.AttachmentExecuted, _: Place) -> None:
    to.reduce(event.attachment, event.left, "open" if event.left else "executed")


def _attachment_lifted(to: Movements, event: hold.AttachmentLifted, _: Place) -> None:
    lifted = to.reduce(event.attachment, 0, "lifted")
    found = event.returned
    to.change(
        lifted.instrument, lifted.account, (ATTACHED, -found), (AVAILABLE, found), (AWAITED, found - lifted.left)
    )  # fmt: skip


def _reserved(to: Movements, event: hold.Reserved, _: Place) -> None:
    if event.sender != EDGE:
        to.change(event.instrument, event.sender, (AVAILABLE, -event.amount), (BUCKET, event.amount))
    if event.receiver != EDGE:
        to.change(event.instrument, event.receiver, (INCOMING, event.amount))


def _reservation_released(to: Movements, event: hold.ReservationReleased, _: Place) -> None:
    if event.sender != EDGE:
        to.change(event.instrument, event.sender, (BUCKET, -event.amount), (AVAILABLE, event.amount))
    if event.receiver != EDGE:
        to.change(event.instrument, event.receiver, (INCOMING, -event.amount))


_HANDLERS: Final[dict[type[Any], Callable[[Movements, Any, Place], None]]] = {
    hold.Issued: _issued,
    hold.Redeemed: _redeemed,
    hold.Moved: _moved,
    hold.HoldPlaced: _hold_placed,
    hold.HoldExecuted: _hold_executed,
    hold.HoldEnded: _hold_ended,
    hold.Pledged: _pledged,
    hold.PledgeReduced: _pledge_reduced,
    hold.Attached: _attached,
    hold.ArrivalAttached: _arrival_attached,
    hold.AttachmentExecuted: _attachment_executed,
    hold.AttachmentLifted: _attachment_lifted,
    hold.Reserved: _reserved,
    hold.ReservationReleased: _reservation_released,
}
