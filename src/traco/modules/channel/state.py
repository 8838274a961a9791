"""The records of channels and the keys under which they stand.

seats        by height   member -> ``Seat``
channels     by height   channel -> ``Channel``
streams                  channel -> ``Stream``
offers                   channel -> ``Offer``, while one is open
points                   channel, ordinal -> ``Point``
entries                  channel, number -> ``EntryRecord``, as long as its point
ordered                  channel, payload hash -> ``Ordered``, until its receipts end
missing                  channel, number -> ``Missing``, while unanswered
settlements              terms id -> ``Settlement``, while an attempt is undecided, and for ever once one committed
attempts                 attempt id -> ``AttemptRecord``, while undecided
ballots                  channel, kind, number -> ``Ballot``, until decided or pointless
memberships              member, channel -> ``Presence``: the channels of a member
counts                   member -> ``ChannelCount``: how many channels it proposed that are not closed, where there are any
attempted                channel, ordinal, number -> ``Attempted``: the entry is a leg of an undecided attempt
edges                    instrument, channel -> ``Edge``: what a channel has net taken in of it
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec

from traco.kernel.by_height import HeightTable
from traco.kernel.codec import Amount, Count, Hash, Height, Id, PublicKey, Record, TimeMs
from traco.kernel.state import Table
from traco.modules.channel.parts import (
    BoxKey,
    Certificate,
    EdgeMovement,
    Epoch,
    EpochKey,
    Number,
    SeatAddress,
    Status,
    Terms,
)

PREFIX: Final = 0x07
SEATS: Final = 0x01
REPLACED_SEATS: Final = 0x02
CHANNELS: Final = 0x03
REPLACED_CHANNELS: Final = 0x04
STREAMS: Final = 0x05
OFFERS: Final = 0x06
POINTS: Final = 0x07
ENTRIES: Final = 0x08
ORDERED: Final = 0x09
MISSING: Final = 0x0A
SETTLEMENTS: Final = 0x0B
ATTEMPTS: Final = 0x0C
BALLOTS: Final = 0x0D
MEMBERSHIPS: Final = 0x0E
EDGES: Final = 0x0F
COUNTS: Final = 0x10
ATTEMPTED: Final = 0x11

Role = Literal["member", "vault"]


class Seat(Record, frozen=True, tag=1):
    """Where a member does its channel business (see ``channel.set_seat``)."""

    node: PublicKey
    box: BoxKey
    certificate: Certificate
    address: SeatAddress


class Channel(Record, frozen=True, tag=1):
    """A channel. ``epoch`` is 0, and ``terms`` are those offered, until it opens.

    ``generation``: how often entries were voided or a suspension resumed. ``suspended_ms``: since when it is suspended, else 0.
    ``boxes``: the X25519 keys that the epoch's key was wrapped for, in the order of members.
    """

    creator: Id
    status: Status
    epoch: Count
    terms: Terms
    boxes: tuple[BoxKey, ...]
    commitment: Hash
    generation: Count
    suspended_ms: TimeMs


class Stream(Record, frozen=True, tag=1):
    """How far a channel's stream has come, and how far it is confirmed.

    ``entries`` and ``ordinal`` are 0 before the first. ``height`` is that of the last point. ``digest`` is the one confirmed
    at ``confirmed``, empty before. ``erased``: payloads up to this entry may be gone.
    """

    entries: Count
    chain: Hash
    ordinal: Count
    height: Height
    confirmed: Count
    digest: Annotated[bytes, msgspec.Meta(max_length=32)]
    erased: Count


class Offer(Record, frozen=True, tag=1):
    """An epoch that was offered. ``accepted`` and ``given`` hold members in ascending order; ``id`` is what they accept."""

    id: Hash
    proposer: Id
    epoch: Epoch
    terms: Terms
    key: EpochKey
    boxes: tuple[BoxKey, ...]
    accepted: tuple[Id, ...]
    given: tuple[Id, ...]
    deadline_ms: TimeMs


class Vote(Record, frozen=True):
    """What a member attests of a point. ``legs`` is a hash of the results of legs, empty for none: they count elsewhere."""

    member: Id
    digest: Hash
    legs: Annotated[bytes, msgspec.Meta(max_length=32)]


class Point(Record, frozen=True, tag=1):
    """A point of a channel. ``last`` is its last entry; ``votes`` stand in ascending order of members."""

    height: Height
    generation: Count
    first: Number
    last: Number
    votes: tuple[Vote, ...]


class EntryRecord(Record, frozen=True, tag=1):
    """What ``missing`` needs of an entry that has a payload: its hash, and who signed for it. Voided ones say so.

    ``signers`` is empty where the root carries the payload itself, from the beginning or since it was supplied there.
    """

    ordinal: Number
    hash: Hash
    signers: tuple[Id, ...]
    voided: bool


class Ordered(Record, frozen=True, tag=1):
    """Which entry has this payload."""

    number: Number


class Missing(Record, frozen=True, tag=1):
    """Who cannot get a payload, and until when it may be answered; ``reporters`` in ascending order.

    Its hash and who signed for it stand here too: a confirmed entry may be forgotten before the answer is due.
    """

    hash: Hash
    signers: tuple[Id, ...]
    reporters: tuple[Id, ...]
    until_ms: TimeMs


class LegState(Record, frozen=True):
    """A leg of an attempt: the point that has it, and who must attest it, as pinned then.

    ``members`` of the channel, of whom ``policy`` must agree; ``attesters``, all of whom must. ``held`` and ``refused`` are who
    said so of this ``generation``, in ascending order. On the root: no entry, no members, and held since the ordering.
    """

    ledger: Annotated[bytes, msgspec.Meta(max_length=32)]
    number: Count
    ordinal: Count
    generation: Count
    members: tuple[Id, ...]
    policy: Count
    attesters: tuple[Id, ...]
    edges: tuple[EdgeMovement, ...]
    held: tuple[Id, ...]
    refused: tuple[Id, ...]


class AttemptRecord(Record, frozen=True, tag=1):
    """An attempt that is not decided. ``height``: of its ordering. ``due_ms``: when its deadline is judged next.

    ``blocks``: how many must have followed its ordering before the deadline counts.
    """

    terms: Hash
    height: Height
    deadline_ms: TimeMs
    due_ms: TimeMs
    blocks: Count
    legs: tuple[LegState, ...]


class Attempted(Record, frozen=True, tag=1):
    """Which attempt an entry is a leg of."""

    attempt: Hash


class Settlement(Record, frozen=True, tag=1):
    """The attempt at some terms: undecided, or committed, which uses them up."""

    attempt: Hash
    status: Literal["undecided", "committed"]


class Ballot(Record, frozen=True, tag=1):
    """Members that voted for something, in ascending order. Each votes for one thing of a kind at a time."""

    members: tuple[Id, ...]


class Presence(Record, frozen=True, tag=1):
    """A member has to do with a channel: in which role."""

    role: Role


class ChannelCount(Record, frozen=True, tag=1):
    """How many channels an organisation proposed that are not closed."""

    channels: Count


class Edge(Record, frozen=True, tag=1):
    """What a channel has net taken in of an instrument with a public edge; smallest unit.

    ``outgoing`` of it is promised away, and ``incoming`` is promised to it, by attempts that are not decided.
    """

    imported: Amount
    outgoing: Amount
    incoming: Amount


seats: Final[HeightTable[Seat]] = HeightTable(PREFIX, SEATS, REPLACED_SEATS, Seat)
channels: Final[HeightTable[Channel]] = HeightTable(PREFIX, CHANNELS, REPLACED_CHANNELS, Channel)
streams: Final[Table[Stream]] = Table(PREFIX, STREAMS, Stream)
offers: Final[Table[Offer]] = Table(PREFIX, OFFERS, Offer)
points: Final[Table[Point]] = Table(PREFIX, POINTS, Point)
entries: Final[Table[EntryRecord]] = Table(PREFIX, ENTRIES, EntryRecord)
ordered: Final[Table[Ordered]] = Table(PREFIX, ORDERED, Ordered)
missing: Final[Table[Missing]] = Table(PREFIX, MISSING, Missing)
settlements: Final[Table[Settlement]] = Table(PREFIX, SETTLEMENTS, Settlement)
attempts: Final[Table[AttemptRecord]] = Table(PREFIX, ATTEMPTS, AttemptRecord)
attempted: Final[Table[Attempted]] = Table(PREFIX, ATTEMPTED, Attempted)
ballots: Final[Table[Ballot]] = Table(PREFIX, BALLOTS, Ballot)
memberships: Final[Table[Presence]] = Table(PREFIX, MEMBERSHIPS, Presence)
counts: Final[Table[ChannelCount]] = Table(PREFIX, COUNTS, ChannelCount)
edges: Final[Table[Edge]] = Table(PREFIX, EDGES, Edge)


# kinds of ballots, as parts of their keys
VOID: Final = b"\x01"  # an entry, by its number
CLOSE: Final = b"\x02"
ERASE: Final = b"\x03"  # up to a point, by its ordinal
SUBJECTS: Final[Mapping[bytes, str]] = {VOID: "void", CLOSE: "close", ERASE: "erase"}
LAPSED: Final = b"\x04"  # no vote: whose offers lapsed, and who waits until others had their turn


def number_part(number: int) -> bytes:
    """An ordinal or a number as a part of a key, in order."""
    return number.to_bytes(8, "big")
