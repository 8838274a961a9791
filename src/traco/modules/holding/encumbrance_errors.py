"""Why this module refuses, for reasons of holds, pledges and attachments; the rest is in ``errors.py``.

Rejected
├── HoldExists, HoldUnknown, HoldExpiryPast, HoldExpired, HoldExceeded, NotExecutor, ExecutorIsHolder
├── PledgeExists, PledgeUnknown, PledgeExceeded, NotPledgee
└── AttachmentExists, AttachmentUnknown, AttachmentExceeded, AttachmentForeign, NotAuthority, AwaitingExceeded,
    TooManyAwaiting
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from traco.kernel.errors import Rejected


@dataclass(eq=False)
class HoldExists(Rejected):
    """A hold of this id is open."""

    code: ClassVar[str] = "holding.hold_exists"
    says: ClassVar[str] = "The hold {hold} is open already."
    advice: ClassVar[str] = "Choose another salt."
    hold: bytes


@dataclass(eq=False)
class HoldUnknown(Rejected):
    """No hold of this id is open."""

    code: ClassVar[str] = "holding.hold_unknown"
    says: ClassVar[str] = "No hold {hold} is open."
    advice: ClassVar[str] = "It was executed, released or has expired, or was never placed."
    hold: bytes


@dataclass(eq=False)
class HoldExpiryPast(Rejected):
    """A hold must expire later than now."""

    code: ClassVar[str] = "holding.hold_expiry_past"
    says: ClassVar[str] = "The hold would expire at {expires_ms}, and it is {time_ms}."
    advice: ClassVar[str] = "Choose a later time; take the time from the node."
    expires_ms: int
    time_ms: int


@dataclass(eq=False)
class HoldExpired(Rejected):
    """The hold's time is over; it is about to be released."""

    code: ClassVar[str] = "holding.hold_expired"
    says: ClassVar[str] = "The hold {hold} expired at {expires_ms}."
    advice: ClassVar[str] = "Have it placed anew."
    hold: bytes
    expires_ms: int


@dataclass(eq=False)
class HoldExceeded(Rejected):
    """More is to be executed than the hold has left."""

    code: ClassVar[str] = "holding.hold_exceeded"
    says: ClassVar[str] = "The hold {hold} has {left} left."
    advice: ClassVar[str] = "Execute at most that."
    hold: bytes
    left: int


@dataclass(eq=False)
class NotExecutor(Rejected):
    """Only its executor disposes of a hold; after its expiry anyone may release it."""

    code: ClassVar[str] = "holding.not_executor"
    says: ClassVar[str] = "The party {party} is not the executor of the hold {hold}."
    advice: ClassVar[str] = "The executor must act."
    party: bytes
    hold: bytes


@dataclass(eq=False)
class ExecutorIsHolder(Rejected):
    """Nobody holds for themselves: what an order is to attach could be kept from it and spent later."""

    code: ClassVar[str] = "holding.executor_is_holder"
    says: ClassVar[str] = "The executor {executor} owns the account {account} or controls its debits."
    advice: ClassVar[str] = "Name as executor the party that is to rely on the hold."
    executor: bytes
    account: bytes


@dataclass(eq=False)
class PledgeExists(Rejected):
    """A pledge of this id is open."""

    code: ClassVar[str] = "holding.pledge_exists"
    says: ClassVar[str] = "The pledge {pledge} is open already."
    advice: ClassVar[str] = "Choose another salt."
    pledge: bytes


@dataclass(eq=False)
class PledgeUnknown(Rejected):
    """No pledge of this id is open."""

    code: ClassVar[str] = "holding.pledge_unknown"
    says: ClassVar[str] = "No pledge {pledge} is open."
    advice: ClassVar[str] = "It was executed or released, or never made."
    pledge: bytes


@dataclass(eq=False)
class PledgeExceeded(Rejected):
    """More is to be executed or released than is pledged."""

    code: ClassVar[str] = "holding.pledge_exceeded"
    says: ClassVar[str] = "The pledge {pledge} has {left} left."
    advice: ClassVar[str] = "Name at most that."
    pledge: bytes
    left: int


@dataclass(eq=False)
class NotPledgee(Rejected):
    """Only the pledgee executes or releases a pledge."""

    code: ClassVar[str] = "holding.not_pledgee"
    says: ClassVar[str] = "The party {party} is not the pledgee of {pledge}."
    advice: ClassVar[str] = "The pledgee must act."
    party: bytes
    pledge: bytes


@dataclass(eq=False)
class AttachmentExists(Rejected):
    """An attachment of this id is open."""

    code: ClassVar[str] = "holding.attachment_exists"
    says: ClassVar[str] = "The attachment {attachment} is open already."
    advice: ClassVar[str] = "Choose another salt."
    attachment: bytes


@dataclass(eq=False)
class AttachmentUnknown(Rejected):
    """No attachment of this id is open."""

    code: ClassVar[str] = "holding.attachment_unknown"
    says: ClassVar[str] = "No attachment {attachment} is open."
    advice: ClassVar[str] = "It was executed or lifted, or never made."
    attachment: bytes


@dataclass(eq=False)
class AttachmentExceeded(Rejected):
    """More is to be executed than the attachment has found."""

    code: ClassVar[str] = "holding.attachment_exceeded"
    says: ClassVar[str] = "The attachment {attachment} has found {attached}."
    advice: ClassVar[str] = "Execute at most that; the remainder is awaited."
    attachment: bytes
    attached: int


@dataclass(eq=False)
class AttachmentForeign(Rejected):
    """Only the authority that made an attachment executes or lifts it."""

    code: ClassVar[str] = "holding.attachment_foreign"
    says: ClassVar[str] = "The party {party} did not make the attachment {attachment}."
    advice: ClassVar[str] = "The authority that made it must act."
    party: bytes
    attachment: bytes


@dataclass(eq=False)
class NotAuthority(Rejected):
    """Attaching needs the role authority."""

    code: ClassVar[str] = "holding.not_authority"
    says: ClassVar[str] = "The party {party} has not the role authority."
    advice: ClassVar[str] = "The council gives that role."
    party: bytes


@dataclass(eq=False)
class AwaitingExceeded(Rejected):
    """What the attachments of a holding await together is an amount, too."""

    code: ClassVar[str] = "holding.awaiting_exceeded"
    says: ClassVar[str] = "The attachments of this holding may await {available} more in all."
    advice: ClassVar[str] = "Attach a lower amount, or lift another attachment first."
    available: int


@dataclass(eq=False)
class TooManyAwaiting(Rejected):
    """A limited number of attachments may await value in one holding (parameter max_awaiting)."""

    code: ClassVar[str] = "holding.too_many_awaiting"
    says: ClassVar[str] = "{limit} attachments of this holding await value already."
    advice: ClassVar[str] = "Lift or join some of them."
    limit: int


ENCUMBRANCE_ERRORS: Final[tuple[type[Rejected], ...]] = (
    HoldExists,
    HoldUnknown,
    HoldExpiryPast,
    HoldExpired,
    HoldExceeded,
    NotExecutor,
    ExecutorIsHolder,
    PledgeExists,
    PledgeUnknown,
    PledgeExceeded,
    NotPledgee,
    AttachmentExists,
    AttachmentUnknown,
    AttachmentExceeded,
    AttachmentForeign,
    NotAuthority,
    AwaitingExceeded,
    TooManyAwaiting,
)
