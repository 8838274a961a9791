"""What happened to channels, as receipts carry it. Everybody on the root sees them: nothing of a channel's content."""

from traco.kernel.codec import Code, Count, Hash, Id, PublicKey, TimeMs
from traco.kernel.instruction import Event
from traco.modules.channel.entries import Entry, PointContext
from traco.modules.channel.parts import ChannelId, Epoch, EpochKey, Number, PayloadBytes, Terms


class SeatSet(Event, frozen=True, tag="channel.seat_set/1"):
    """A member does its channel business with this node key from now on."""

    member: Id
    node: PublicKey


class EpochOffered(Event, frozen=True, tag="channel.epoch_offered/1"):
    """An epoch waits for its members' acceptance."""

    channel: ChannelId
    proposer: Id
    epoch: Epoch
    terms: Terms
    key: EpochKey
    deadline_ms: TimeMs


class EpochAccepted(Event, frozen=True, tag="channel.epoch_accepted/1"):
    """A member has the key and agrees."""

    channel: ChannelId
    epoch: Epoch
    member: Id


class CopyGiven(Event, frozen=True, tag="channel.copy_given/1"):
    """A member's wrapped copy of the offered key, for it to fetch."""

    channel: ChannelId
    epoch: Epoch
    member: Id
    copy: bytes


class OfferLapsed(Event, frozen=True, tag="channel.offer_lapsed/1"):
    """Too few accepted in time; ``silent`` did not."""

    channel: ChannelId
    epoch: Epoch
    silent: tuple[Id, ...]


class Entered(Event, frozen=True, tag="channel.entered/1"):
    """The next entry of a channel's stream. ``context`` where it begins a point."""

    channel: ChannelId
    number: Number
    context: PointContext | None
    entry: Entry


class Confirmed(Event, frozen=True, tag="channel.confirmed/1"):
    """The policy attests this point alike; it and all before it stand for good."""

    channel: ChannelId
    ordinal: Number
    digest: Hash


class Dissented(Event, frozen=True, tag="channel.dissented/1"):
    """A member attests another digest than others of a point, or than the one confirmed."""

    channel: ChannelId
    ordinal: Number
    member: Id
    digest: Hash


class MissingReported(Event, frozen=True, tag="channel.missing_reported/1"):
    """A member cannot get a payload; ``signers`` signed that they hold it."""

    channel: ChannelId
    number: Number
    member: Id
    signers: tuple[Id, ...]
    until_ms: TimeMs


class Supplied(Event, frozen=True, tag="channel.supplied/1"):
    """The bytes that were missing."""

    channel: ChannelId
    number: Number
    member: Id
    content: PayloadBytes


class CustodyFailed(Event, frozen=True, tag="channel.custody_failed/1"):
    """Nobody could show a payload that these custodians signed for."""

    channel: ChannelId
    number: Number
    signers: tuple[Id, ...]


class Disclosed(Event, frozen=True, tag="channel.disclosed/1"):
    """A member disclosed something of a channel; the commitment is salted."""

    channel: ChannelId
    member: Id
    commitment: Hash


class AttemptDecided(Event, frozen=True, tag="channel.attempt_decided/1"):
    """A settlement across ledgers is done, or given up: a leg was ``refused`` or ``voided``, or the ``deadline`` passed.

    ``silent`` are those whose word was wanting at the deadline: required attesters, and members where too few others had
    spoken. Who dissents from a confirmed point has not spoken of its legs.
    """

    attempt: Hash
    terms: Hash
    committed: bool
    reason: Code
    silent: tuple[Id, ...]


class Voted(Event, frozen=True, tag="channel.voted/1"):
    """A member voted for something that the policy decides; ``votes`` are there now."""

    channel: ChannelId
    subject: Code
    member: Id
    votes: Count
