"""Why an instruction about channels is rejected.

Rejected
├── the channel and its state
│       ChannelUnknown, ChannelExists, ChannelNotOpen, ChannelBusy, ChannelNotSuspended, TooManyChannels
├── who takes part
│       NotMember, NotAdjudicator, SeatMissing, SeatInvalid, TermsInvalid
├── epochs
│       OfferUnknown, OfferOpen, OfferLapsedBefore, OfferOther, EpochWrong, AcceptedBefore, CopyWrong
├── payloads and receipts
│       PayloadTooLarge, PayloadRepeated, ReceiptsExpired, ReceiptInvalid, ReceiptsTooFew, TooFarBehind,
│       TickRepeated
├── what is missing or voted on
│       EntryUnknown, ReportedBefore, TooManyMissing, NotMissing, ContentWrong, GenerationOld, VotedBefore,
│       NotConfirmed, NotErasable
└── settlements across channels
        LegsWrong, DeadlineWrong, TermsUsed, EdgeExceeded, PointFull
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from traco.kernel.errors import Rejected


@dataclass(eq=False)
class ChannelUnknown(Rejected):
    """There is no channel with this id."""

    code: ClassVar[str] = "channel.unknown"
    says: ClassVar[str] = "There is no channel {channel}."
    advice: ClassVar[str] = "Check the id (traco channel list)."
    channel: bytes


@dataclass(eq=False)
class ChannelExists(Rejected):
    """The creator opened a channel with this salt before."""

    code: ClassVar[str] = "channel.exists"
    says: ClassVar[str] = "The channel {channel} exists already."
    advice: ClassVar[str] = "Use another salt for another channel."
    channel: bytes


@dataclass(eq=False)
class ChannelNotOpen(Rejected):
    """The channel takes no business now."""

    code: ClassVar[str] = "channel.not_open"
    says: ClassVar[str] = "The channel {channel} is {status}."
    advice: ClassVar[str] = "Wait until it is open; a closed channel stays closed."
    channel: bytes
    status: str


@dataclass(eq=False)
class ChannelBusy(Rejected):
    """The channel cannot close while it holds value for a settlement."""

    code: ClassVar[str] = "channel.busy"
    says: ClassVar[str] = "A settlement across ledgers is undecided in the channel {channel}."
    advice: ClassVar[str] = "Wait until it is decided, at its deadline at the latest."
    channel: bytes


@dataclass(eq=False)
class ChannelNotSuspended(Rejected):
    """Only a suspended channel is resumed or ended."""

    code: ClassVar[str] = "channel.not_suspended"
    says: ClassVar[str] = "The channel {channel} is {status}, not suspended."
    advice: ClassVar[str] = "Nothing is to be done."
    channel: bytes
    status: str


@dataclass(eq=False)
class NotMember(Rejected):
    """The party is not a member of the channel now."""

    code: ClassVar[str] = "channel.not_member"
    says: ClassVar[str] = "{party} is not a member of the channel {channel}."
    advice: ClassVar[str] = "A member must send this."
    party: bytes
    channel: bytes


@dataclass(eq=False)
class TermsInvalid(Rejected):
    """The terms of the channel contradict themselves."""

    code: ClassVar[str] = "channel.terms_invalid"
    says: ClassVar[str] = "These terms cannot be ({reason})."
    advice: ClassVar[str] = "Correct the terms: docs/channels.md says what each number needs."
    reason: str


@dataclass(eq=False)
class SeatMissing(Rejected):
    """The member has not said where it does its channel business."""

    code: ClassVar[str] = "channel.seat_missing"
    says: ClassVar[str] = "Member {member} has no seat for channels."
    advice: ClassVar[str] = "The member registers one first (traco channel seat)."
    member: bytes


@dataclass(eq=False)
class SeatInvalid(Rejected):
    """The seat cannot be used."""

    code: ClassVar[str] = "channel.seat_invalid"
    says: ClassVar[str] = "This seat cannot be used ({reason})."
    advice: ClassVar[str] = "Give a registered node key, an X25519 key, and an https address or none."
    reason: str


@dataclass(eq=False)
class TooManyChannels(Rejected):
    """The member proposed as many channels as it may."""

    code: ClassVar[str] = "channel.too_many"
    says: ClassVar[str] = "{member} has {limit} channels already that it proposed."
    advice: ClassVar[str] = "Close channels that are no longer used."
    member: bytes
    limit: int


@dataclass(eq=False)
class OfferUnknown(Rejected):
    """No such epoch is on offer."""

    code: ClassVar[str] = "channel.offer_unknown"
    says: ClassVar[str] = "Epoch {epoch} of the channel {channel} is not on offer."
    advice: ClassVar[str] = "Look at the channel (traco channel show): it may have begun, or lapsed."
    channel: bytes
    epoch: int


@dataclass(eq=False)
class OfferOpen(Rejected):
    """An epoch is on offer already."""

    code: ClassVar[str] = "channel.offer_open"
    says: ClassVar[str] = "Epoch {epoch} of the channel {channel} waits to be accepted."
    advice: ClassVar[str] = "Accept it, or wait until it lapses."
    channel: bytes
    epoch: int


@dataclass(eq=False)
class OfferLapsedBefore(Rejected):
    """The last offer of this member lapsed: others come first."""

    code: ClassVar[str] = "channel.offer_lapsed_before"
    says: ClassVar[str] = (
        "An offer of {member} in the channel {channel} lapsed: it is for others to offer now."
    )
    advice: ClassVar[str] = (
        "Have another member offer it, or wait as long as an offer may stand in this channel."
    )
    channel: bytes
    member: bytes


@dataclass(eq=False)
class OfferOther(Rejected):
    """Another offer was accepted than the one that is open."""

    code: ClassVar[str] = "channel.offer_other"
    says: ClassVar[str] = "What is on offer in the channel {channel} is {offer}, not what was accepted."
    advice: ClassVar[str] = "Look at the offer that is open now, and accept that if it is right."
    channel: bytes
    offer: bytes


@dataclass(eq=False)
class EpochWrong(Rejected):
    """This is not the epoch that is expected."""

    code: ClassVar[str] = "channel.epoch_wrong"
    says: ClassVar[str] = "The channel {channel} expects epoch {expected}, not {epoch}."
    advice: ClassVar[str] = "Seal the payload anew under the present epoch; an offer is for the next one."
    channel: bytes
    expected: int
    epoch: int


@dataclass(eq=False)
class AcceptedBefore(Rejected):
    """The member has accepted."""

    code: ClassVar[str] = "channel.accepted_before"
    says: ClassVar[str] = "{member} has accepted epoch {epoch} before."
    advice: ClassVar[str] = "Nothing is to be done."
    member: bytes
    epoch: int


@dataclass(eq=False)
class CopyWrong(Rejected):
    """These bytes are not the offered copy."""

    code: ClassVar[str] = "channel.copy_wrong"
    says: ClassVar[str] = "The copy for {member} does not have the offered hash."
    advice: ClassVar[str] = "Give the copy as it was made for the offer."
    member: bytes


@dataclass(eq=False)
class PayloadTooLarge(Rejected):
    """The payload is larger than the channel takes."""

    code: ClassVar[str] = "channel.payload_too_large"
    says: ClassVar[str] = "A payload of {size} bytes is above the channel's limit of {limit}."
    advice: ClassVar[str] = "Put fewer transactions into a batch."
    size: int
    limit: int


@dataclass(eq=False)
class PayloadRepeated(Rejected):
    """The payload was ordered before."""

    code: ClassVar[str] = "channel.payload_repeated"
    says: ClassVar[str] = "This payload is entry {number} already."
    advice: ClassVar[str] = "Nothing is to be done: it was ordered once."
    number: int


@dataclass(eq=False)
class ReceiptsExpired(Rejected):
    """The receipts have ended, or end too late."""

    code: ClassVar[str] = "channel.receipts_expired"
    says: ClassVar[str] = (
        "The receipts are good until {order_by}; it is {time_ms}, and they may end {ahead_ms} ms ahead."
    )
    advice: ClassVar[str] = "Collect receipts anew."
    order_by: int
    time_ms: int
    ahead_ms: int


@dataclass(eq=False)
class ReceiptInvalid(Rejected):
    """A receipt does not count."""

    code: ClassVar[str] = "channel.receipt_invalid"
    says: ClassVar[str] = "The receipt of the custodian at place {place} does not count ({reason})."
    advice: ClassVar[str] = "Collect it anew from a custodian of this epoch."
    place: int
    reason: str


@dataclass(eq=False)
class ReceiptsTooFew(Rejected):
    """Too few other organisations hold the payload."""

    code: ClassVar[str] = "channel.receipts_too_few"
    says: ClassVar[str] = "{found} organisations beside the sender's hold the payload; {needed} must."
    advice: ClassVar[str] = "Collect more receipts, or put the payload on the root."
    found: int
    needed: int


@dataclass(eq=False)
class TooFarBehind(Rejected):
    """Members have not attested for long."""

    code: ClassVar[str] = "channel.too_far_behind"
    says: ClassVar[str] = "{waiting} points of the channel {channel} are not confirmed; there may be {limit}."
    advice: ClassVar[str] = "Members must attest first: see traco channel status."
    channel: bytes
    waiting: int
    limit: int


@dataclass(eq=False)
class TickRepeated(Rejected):
    """The channel has input in this block already."""

    code: ClassVar[str] = "channel.tick_repeated"
    says: ClassVar[str] = "The channel {channel} has an entry in this block already."
    advice: ClassVar[str] = "Nothing is to be done: its time has moved on."
    channel: bytes


@dataclass(eq=False)
class EntryUnknown(Rejected):
    """The entry is not there, has no payload, or is settled."""

    code: ClassVar[str] = "channel.entry_unknown"
    says: ClassVar[str] = "Entry {number} of the channel {channel} is not open to this."
    advice: ClassVar[str] = "Look at the channel's status: it may be confirmed or voided."
    channel: bytes
    number: int


@dataclass(eq=False)
class ReportedBefore(Rejected):
    """The member reported it before."""

    code: ClassVar[str] = "channel.reported_before"
    says: ClassVar[str] = "{member} reported entry {number} missing before."
    advice: ClassVar[str] = "Nothing is to be done."
    member: bytes
    number: int


@dataclass(eq=False)
class TooManyMissing(Rejected):
    """The member waits for as many entries as it may."""

    code: ClassVar[str] = "channel.too_many_missing"
    says: ClassVar[str] = "{member} has reported {limit} entries that are not answered."
    advice: ClassVar[str] = "Wait for answers; after long absence take a snapshot (traco channel rebuild)."
    member: bytes
    limit: int


@dataclass(eq=False)
class NotMissing(Rejected):
    """Nobody reported the entry missing."""

    code: ClassVar[str] = "channel.not_missing"
    says: ClassVar[str] = "Entry {number} is not reported missing."
    advice: ClassVar[str] = "Give it to the member directly."
    number: int


@dataclass(eq=False)
class ContentWrong(Rejected):
    """These bytes are not the payload."""

    code: ClassVar[str] = "channel.content_wrong"
    says: ClassVar[str] = "These bytes do not have the hash of entry {number}."
    advice: ClassVar[str] = "Give the payload as it was ordered."
    number: int


@dataclass(eq=False)
class GenerationOld(Rejected):
    """The vote is about an older generation."""

    code: ClassVar[str] = "channel.generation_old"
    says: ClassVar[str] = "The channel {channel} is in generation {generation} now."
    advice: ClassVar[str] = "Look at the channel and vote again if it is still wanted."
    channel: bytes
    generation: int


@dataclass(eq=False)
class VotedBefore(Rejected):
    """The member voted before."""

    code: ClassVar[str] = "channel.voted_before"
    says: ClassVar[str] = "{member} has voted for this before."
    advice: ClassVar[str] = "Nothing is to be done."
    member: bytes


@dataclass(eq=False)
class NotConfirmed(Rejected):
    """The point is not confirmed."""

    code: ClassVar[str] = "channel.not_confirmed"
    says: ClassVar[str] = "The point {ordinal} is not confirmed; {confirmed} is."
    advice: ClassVar[str] = "Name a confirmed point."
    ordinal: int
    confirmed: int


@dataclass(eq=False)
class NotErasable(Rejected):
    """Something stands in the way of erasing."""

    code: ClassVar[str] = "channel.not_erasable"
    says: ClassVar[str] = "Payloads up to the point {ordinal} cannot be erased ({reason})."
    advice: ClassVar[str] = (
        "Wait until no payload is missing and no settlement undecided, and name one of the last confirmed points."
    )
    ordinal: int
    reason: str


@dataclass(eq=False)
class NotAdjudicator(Rejected):
    """Neither the adjudicator, nor the council after the limit."""

    code: ClassVar[str] = "channel.not_adjudicator"
    says: ClassVar[str] = "These parties may not decide about the channel {channel} now."
    advice: ClassVar[str] = "The adjudicator decides; the council may from {from_ms} on."
    channel: bytes
    from_ms: int


@dataclass(eq=False)
class LegsWrong(Rejected):
    """The sealed legs do not fit the terms."""

    code: ClassVar[str] = "channel.legs_wrong"
    says: ClassVar[str] = "The legs do not fit the terms ({reason})."
    advice: ClassVar[str] = "Give one sealed leg for each of the terms, in their order."
    reason: str


@dataclass(eq=False)
class DeadlineWrong(Rejected):
    """The deadline is past, or farther away than a channel allows."""

    code: ClassVar[str] = "channel.deadline_wrong"
    says: ClassVar[str] = (
        "The deadline {deadline_ms} must be after {time_ms} and at most {limit_ms} ms ahead."
    )
    advice: ClassVar[str] = "Agree on new terms with another deadline."
    deadline_ms: int
    time_ms: int
    limit_ms: int


@dataclass(eq=False)
class TermsUsed(Rejected):
    """An attempt at these terms is undecided or committed."""

    code: ClassVar[str] = "channel.terms_used"
    says: ClassVar[str] = "An attempt at these terms is {status}."
    advice: ClassVar[str] = "Wait for its decision; committed terms are used up."
    status: str


@dataclass(eq=False)
class EdgeExceeded(Rejected):
    """More would leave the channel than came in."""

    code: ClassVar[str] = "channel.edge_exceeded"
    says: ClassVar[str] = (
        "The channel {channel} can give out {available} of the instrument {instrument} at most."
    )
    advice: ClassVar[str] = "Export no more than was imported."
    channel: bytes
    instrument: bytes
    available: int


@dataclass(eq=False)
class PointFull(Rejected):
    """A point has as many entries as a vote on it may have results of legs."""

    code: ClassVar[str] = "channel.point_full"
    says: ClassVar[str] = "The channel {channel} has {limit} entries in this block already."
    advice: ClassVar[str] = "Try again in the next block."
    channel: bytes
    limit: int


ERRORS: Final[tuple[type[Rejected], ...]] = (
    ChannelUnknown,
    ChannelExists,
    ChannelNotOpen,
    ChannelBusy,
    ChannelNotSuspended,
    NotMember,
    TermsInvalid,
    SeatMissing,
    SeatInvalid,
    TooManyChannels,
    OfferUnknown,
    OfferOpen,
    OfferLapsedBefore,
    OfferOther,
    EpochWrong,
    AcceptedBefore,
    CopyWrong,
    PayloadTooLarge,
    PayloadRepeated,
    ReceiptsExpired,
    ReceiptInvalid,
    ReceiptsTooFew,
    TooFarBehind,
    TickRepeated,
    EntryUnknown,
    ReportedBefore,
    TooManyMissing,
    NotMissing,
    ContentWrong,
    GenerationOld,
    VotedBefore,
    NotConfirmed,
    NotErasable,
    NotAdjudicator,
    LegsWrong,
    DeadlineWrong,
    TermsUsed,
    EdgeExceeded,
    PointFull,
)
"""All of them, for the module."""
