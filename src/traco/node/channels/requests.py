"""What the API asks the channels' process, and what it answers."""

from typing import Annotated

import msgspec

from traco.channels.seat.completeness import Completeness
from traco.channels.seat.figures import Figure, SeatFigures
from traco.kernel.codec import Count, Hash, Id, Record
from traco.kernel.errors import Failure
from traco.modules.channel.digests import OutcomeProof, PointSummary
from traco.modules.channel.parts import ChannelId, Epoch, EpochKey
from traco.node.channels.deal_requests import (
    AllDealt,
    AllOrdered,
    AttemptOrdered,
    Deal,
    DealAll,
    Dealt,
    OrderAll,
    OrderAttempt,
    SettlementIs,
    SettlementOf,
)
from traco.node.channels.disclosure_requests import (
    BeginDisclosure,
    DisclosureIs,
    DisclosureOf,
    DisclosurePiece,
    PieceIs,
    TotalIs,
    TotalOf,
)


class Post(Record, frozen=True, tag="post"):
    """Take transactions of a channel in, for which ``member`` answers."""

    channel: ChannelId
    member: Id
    transactions: tuple[bytes, ...]


class Posted(Record, frozen=True, tag="posted"):
    """The answer: the id of each, and why it was not taken, if it was not. The others are durable."""

    results: tuple[tuple[bytes, Failure | None], ...]


class StandingOf(Record, frozen=True, tag="standing_of"):
    """How far a transaction of a channel has come."""

    channel: ChannelId
    identity: Hash


class StandingIs(Record, frozen=True, tag="standing"):
    """The answer: as ``seat.agent.Standing``. ``ordinal`` and ``leaf`` are -1 before it was executed; no name: it is unknown."""

    name: str
    ordinal: int
    leaf: int
    failure: Failure | None
    code: str


class ProofOf(Record, frozen=True, tag="proof_of"):
    """What shows somebody outside what became of a transaction of a channel."""

    channel: ChannelId
    identity: Hash


class ProofIs(Record, frozen=True, tag="proof"):
    """The answer: as ``seat.hosting.Proven``; ``origin`` is the root's transaction that confirmed the last of the points."""

    transaction: bytes
    receipt: bytes
    proof: OutcomeProof
    points: tuple[PointSummary, ...]
    origin: Hash


class ConditionsOf(Record, frozen=True, tag="conditions_of"):
    """What holds up channels here."""

    channels: tuple[ChannelId, ...]


class Condition(Record, frozen=True):
    """Of one channel: up to which point it was read from the root, and what holds it up; empty where nothing does."""

    noted: Count
    code: str
    text: str


class Conditions(Record, frozen=True, tag="conditions"):
    """The answer, in the order of the request."""

    channels: tuple[Condition, ...]


class MakeKey(Record, frozen=True, tag="make_key"):
    """Make the key of an epoch that ``member`` is about to offer to ``members``."""

    channel: ChannelId
    epoch: Epoch
    member: Id
    members: tuple[Id, ...]


class KeyMade(Record, frozen=True, tag="key_made"):
    """The answer: what the offer says of the key."""

    key: EpochKey


class OffersTo(Record, frozen=True, tag="offers_to"):
    """The offers of epochs that wait for these members of this node."""

    members: tuple[Id, ...]


class Offered(Record, frozen=True):
    """An offer, and whether the member can accept it: ``ready``, ``waiting``, or ``wrong`` with a code."""

    channel: ChannelId
    epoch: Epoch
    member: Id
    status: str
    code: str
    offer: Hash


class OffersAre(Record, frozen=True, tag="offers"):
    """The answer."""

    offers: tuple[Offered, ...]


class Rebuild(Record, frozen=True, tag="rebuild"):
    """Begin to rebuild a channel, unless that is under way."""

    channel: ChannelId


class RebuildOf(Record, frozen=True, tag="rebuild_of"):
    """How far the rebuild of a channel is, or what it found."""

    channel: ChannelId


class RebuildIs(Record, frozen=True, tag="rebuild_is"):
    """The answer to both."""

    report: Completeness


class FiguresOf(Record, frozen=True, tag="figures_of"):
    """How everything is, for those who run the node."""


class FiguresAre(Record, frozen=True, tag="figures"):
    """The answer, and the resident memory of the process."""

    figures: SeatFigures
    memory_bytes: Figure


class Denied(Record, frozen=True, tag="denied"):
    """The answer to what is not done: why."""

    code: Annotated[str, msgspec.Meta(min_length=1)]
    text: str


Request = (
    Post
    | StandingOf
    | ProofOf
    | ConditionsOf
    | MakeKey
    | OffersTo
    | FiguresOf
    | Deal
    | DealAll
    | OrderAttempt
    | OrderAll
    | SettlementOf
    | Rebuild
    | RebuildOf
    | BeginDisclosure
    | DisclosureOf
    | DisclosurePiece
    | TotalOf
)
Answer = (
    Posted
    | StandingIs
    | ProofIs
    | Conditions
    | KeyMade
    | OffersAre
    | FiguresAre
    | Dealt
    | AllDealt
    | AttemptOrdered
    | AllOrdered
    | SettlementIs
    | RebuildIs
    | DisclosureIs
    | PieceIs
    | TotalIs
    | Denied
)
