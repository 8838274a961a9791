"""What the API asks the channels' process about settlements across ledgers, and what it answers."""

from typing import Annotated, Final, Literal

import msgspec

from traco.kernel.codec import Count, Hash, Height, Id, Record, TimeMs
from traco.kernel.errors import Failure
from traco.modules.channel.parts import (
    MAX_LEGS,
    ChannelId,
    RootLeg,
    SealedLeg,
    SettlementTerms,
)

MAX_TOGETHER: Final = 64
"""Legs, or attempts, of one request: as many as go to a custodian in one call."""

SettlementStatus = Literal["unknown", "undecided", "committed", "aborted"]


class Deal(Record, frozen=True, tag="deal"):
    """Seal a channel's leg of these terms, which a signed transaction holds, for ``member``."""

    channel: ChannelId
    member: Id
    terms: SettlementTerms
    transaction: bytes


class Dealt(Record, frozen=True, tag="dealt"):
    """The answer: the leg as an attempt orders it."""

    leg: SealedLeg


class LegWanted(Record, frozen=True):
    """The terms that a channel's leg is of, and the signed transaction that holds it."""

    terms: SettlementTerms
    transaction: bytes


class DealAll(Record, frozen=True, tag="deal_all"):
    """Seal legs of one channel for ``member``, each as ``Deal`` does."""

    channel: ChannelId
    member: Id
    legs: Annotated[tuple[LegWanted, ...], msgspec.Meta(max_length=MAX_TOGETHER)]


class NotDone(Record, frozen=True, tag="not_done"):
    """Why one of several was not done."""

    code: Annotated[str, msgspec.Meta(min_length=1)]
    text: str


class AllDealt(Record, frozen=True, tag="all_dealt"):
    """The answer, in the order of the request."""

    legs: tuple[Dealt | NotDone, ...]


class OrderAttempt(Record, frozen=True, tag="order_attempt"):
    """Order all legs of the terms at once, by the node of ``member``."""

    member: Id
    terms: SettlementTerms
    legs: Annotated[tuple[SealedLeg | RootLeg, ...], msgspec.Meta(min_length=1, max_length=MAX_LEGS)]


class AttemptOrdered(Record, frozen=True, tag="attempt_ordered"):
    """The answer, as ``seat.ordering.Ordered``."""

    attempt: bytes
    transaction: bytes
    status: str
    failure: Failure | None


class OneAttempt(Record, frozen=True):
    """Terms, and their legs in the same order: sealed, or for the root signed."""

    terms: SettlementTerms
    legs: Annotated[tuple[SealedLeg | RootLeg, ...], msgspec.Meta(min_length=1, max_length=MAX_LEGS)]


class OrderAll(Record, frozen=True, tag="order_all"):
    """Order attempts, each as ``OrderAttempt`` does."""

    member: Id
    attempts: Annotated[tuple[OneAttempt, ...], msgspec.Meta(max_length=MAX_TOGETHER)]


class AllOrdered(Record, frozen=True, tag="all_ordered"):
    """The answer, in the order of the request."""

    attempts: tuple[AttemptOrdered | NotDone, ...]


class SettlementOf(Record, frozen=True, tag="settlement_of"):
    """What became of terms (id)."""

    terms: Hash


class LegStanding(Record, frozen=True):
    """A leg while its attempt is undecided. ``ledger`` is empty for the root; ``confirmed``: its point stands for good."""

    ledger: bytes
    ordinal: Count
    confirmed: bool
    policy: Count
    members: tuple[Id, ...]
    attesters: tuple[Id, ...]
    held: tuple[Id, ...]
    refused: tuple[Id, ...]


class SettlementIs(Record, frozen=True, tag="settlement_is"):
    """The answer. ``unknown``: nothing was ordered, or an attempt was aborted in channels that no member here is in.

    ``attempt`` and what follows are of the attempt that is undecided, else of the last one. ``reason``, ``silent`` and
    ``height`` are of its decision, if a member of this node is in one of its channels; ``channels`` are those.
    """

    status: SettlementStatus
    attempt: bytes = b""
    deadline_ms: TimeMs = 0
    legs: tuple[LegStanding, ...] = ()
    reason: str = ""
    silent: tuple[Id, ...] = ()
    height: Height = 0
    time_ms: TimeMs = 0
    channels: tuple[ChannelId, ...] = ()
