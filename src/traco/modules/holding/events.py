"""The facts this module leaves in receipts. Every movement of value has one, whoever caused it."""

from enum import StrEnum

from traco.kernel.codec import Amount, Code, Hash, Id, PositiveAmount, Reference, TimeMs
from traco.kernel.instruction import Event
from traco.modules.holding.messages import AccountKind, InstrumentKind


class Cause(StrEnum):
    """What made value move between accounts."""

    TRANSFER = "transfer"
    HOLD = "hold"
    PLEDGE = "pledge"
    ATTACHMENT = "attachment"
    BATCH = "batch"  # a batch hold was executed


class HoldEnd(StrEnum):
    """How a hold ended."""

    EXECUTED = "executed"
    RELEASED = "released"
    EXPIRED = "expired"


class InstrumentCreated(Event, frozen=True, tag="holding.instrument_created/1"):
    """An instrument exists."""

    instrument: Id
    issuer: Id
    code: Code
    kind: InstrumentKind


class InstrumentEnded(Event, frozen=True, tag="holding.instrument_closed/1"):
    """An instrument was closed for good."""

    instrument: Id


class AccountOpened(Event, frozen=True, tag="holding.account_opened/1"):
    """An account exists."""

    account: Id
    owner: Id
    servicer: Id
    kind: AccountKind
    parent: Id | None


class AccountEnded(Event, frozen=True, tag="holding.account_closed/1"):
    """An account was closed for good."""

    account: Id


class Issued(Event, frozen=True, tag="holding.issued/1"):
    """Value came into being in an account."""

    instrument: Id
    account: Id
    amount: PositiveAmount
    reference: Reference


class Redeemed(Event, frozen=True, tag="holding.redeemed/1"):
    """Value in an account ceased to be."""

    instrument: Id
    account: Id
    amount: PositiveAmount
    reference: Reference


class Moved(Event, frozen=True, tag="holding.moved/1"):
    """Value went from one account to another."""

    instrument: Id
    sender: Id
    receiver: Id
    amount: PositiveAmount
    reference: Reference
    cause: Cause


class HoldPlaced(Event, frozen=True, tag="holding.hold_placed/1"):
    """Part of a holding was set aside for ``executor``."""

    hold: Hash
    account: Id
    instrument: Id
    amount: PositiveAmount
    executor: Id
    expires_ms: TimeMs
    reference: Reference


class HoldExecuted(Event, frozen=True, tag="holding.hold_executed/1"):
    """A hold was executed in whole or in part (the movement has its own event)."""

    hold: Hash
    amount: PositiveAmount
    left: Amount


class HoldEnded(Event, frozen=True, tag="holding.hold_ended/1"):
    """A hold is over; ``returned`` became available to the holder, unless attachments awaited it."""

    hold: Hash
    end: HoldEnd
    returned: Amount


class Pledged(Event, frozen=True, tag="holding.pledged/1"):
    """Part of a holding was pledged."""

    pledge: Hash
    account: Id
    instrument: Id
    amount: PositiveAmount
    pledgee: Id
    reference: Reference


class PledgeReduced(Event, frozen=True, tag="holding.pledge_reduced/1"):
    """A pledge was executed or released for ``amount``; it is over when nothing is left."""

    pledge: Hash
    amount: PositiveAmount
    left: Amount
    executed: bool


class Attached(Event, frozen=True, tag="holding.attached/1"):
    """An authority ordered ``amount`` attached; ``found`` of it was available."""

    attachment: Hash
    authority: Id
    account: Id
    instrument: Id
    amount: PositiveAmount
    found: Amount
    order: Hash


class ArrivalAttached(Event, frozen=True, tag="holding.arrival_attached/1"):
    """Of what became available in a holding, ``amount`` was taken by attachments that awaited it."""

    instrument: Id
    account: Id
    amount: PositiveAmount


class AttachmentExecuted(Event, frozen=True, tag="holding.attachment_executed/1"):
    """An attachment was executed in whole or in part; ``left`` of the ordered amount remains."""

    attachment: Hash
    amount: PositiveAmount
    left: Amount


class AttachmentLifted(Event, frozen=True, tag="holding.attachment_lifted/1"):
    """An attachment is over; ``returned`` became available, unless other attachments awaited it."""

    attachment: Hash
    returned: Amount


class Reserved(Event, frozen=True, tag="holding.reserved/1"):
    """Value went into a settlement's bucket, and its credit is reserved."""

    instrument: Id
    sender: Id
    receiver: Id
    amount: PositiveAmount
    reference: Reference


class ReservationReleased(Event, frozen=True, tag="holding.reservation_released/1"):
    """Value returned from a settlement's bucket to its sender."""

    instrument: Id
    sender: Id
    receiver: Id
    amount: PositiveAmount
    reference: Reference


EVENTS: tuple[type[Event], ...] = (
    InstrumentCreated,
    InstrumentEnded,
    AccountOpened,
    AccountEnded,
    Issued,
    Redeemed,
    Moved,
    HoldPlaced,
    HoldExecuted,
    HoldEnded,
    Pledged,
    PledgeReduced,
    Attached,
    ArrivalAttached,
    AttachmentExecuted,
    AttachmentLifted,
    Reserved,
    ReservationReleased,
)
