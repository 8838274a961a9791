"""Deciding attempts: once, the same for all their legs, by what members attest and by the deadline. Nobody coordinates.

A channel's leg is held when the pinned policy and all pinned attesters say so *and* its point is confirmed: before that,
an entry ahead of it may still be voided, and executing anew could refuse what had been held. It is refused when the policy
says so. A leg on the root is held from the ordering on.

    all legs held               COMMIT, in the transaction that completes it (or see ``EVENTS_AT_ONCE``)
    a leg refused or voided     ABORT, likewise
    deadline                    ABORT: block time is at or after it, and enough whole blocks followed the ordering. Judged
                                before the transactions of a block; a word that comes later counts no more
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from traco.kernel.module import Context
from traco.kernel.state import State
from traco.modules.channel import edges
from traco.modules.channel.entries import Decided
from traco.modules.channel.events import AttemptDecided
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.parts import RESERVED_EVENTS, LegResult
from traco.modules.channel.ports import LegEnds
from traco.modules.channel.state import AttemptRecord, LegState

HELD: Final = "held"
REFUSED: Final = "refused"
VOIDED: Final = "voided"
TOO_LATE: Final = "deadline"
# Events of decisions that one word, or one confirmation, brings at once: a transaction has room for so many only, and that
# of a vote must not fail because of the legs that it is about. What is more is decided at the start of the next block.
EVENTS_AT_ONCE: Final = 480
_EVENTS_ON_ROOT: Final = (
    450  # of a leg there, at most: two of each movement and export, three of each import, and its end
)


class Decisions:
    """What becomes of attempts; ``root`` ends legs on the root.

    Who judges points tells it what was ``attested``, ``confirmed``, ``regenerated`` and ``voided``.
    """

    def __init__(self, keeper: Keeper, root: LegEnds | None) -> None:
        self._keeper = keeper
        self._root = root

    def attested(
        self, context: Context, channel: bytes, ordinal: int, generation: int, member: bytes,
        legs: Sequence[LegResult],
    ) -> None:  # fmt: skip
        """A member's vote on the point ``ordinal`` counts: what it says of legs there or before.

        To be told of every vote that agrees with a point, also after the point was confirmed, and also of a member that was
        removed since the leg was ordered: a required attester may be the last to answer. While the point is not confirmed, a
        member may change its word, or take it back by a vote without it; of what is decided, unknown or not its own to say,
        nothing counts and nothing is refused.
        """
        self._take_back(context, channel, ordinal, member, legs)
        room = _room(context)
        for result in legs:
            record = self._keeper.attempt(context.state, result.attempt)
            if record is not None:
                place = _place_of(record, channel)
                if place is not None and _may_speak(record.legs[place], ordinal, generation, member):
                    room = self._hear(context, result, record, place, member, room)

    def confirmed(self, context: Context, channel: bytes, after: int, through: int) -> None:
        """The points behind ``after`` up to ``through`` stand for good now: legs there may be held by it.

        To be told after ``Keeper.confirm``.
        """
        room = _room(context)
        for attempt in self._keeper.attempts_between(context.state, channel, after, through):
            record = self._keeper.attempt(context.state, attempt)
            reason = None if record is None else self._verdict(context, record)
            if record is not None and reason is not None:
                room = self._decide_within(context, attempt, record, reason, room)

    def regenerated(self, context: Context, channel: bytes, from_ordinal: int) -> None:
        """From this point on, the channel is executed and attested anew: what was said of legs there counts no more.

        To be told after the channel's record has its new generation.
        """
        record = self._keeper.require(context.state, channel)
        through = self._keeper.stream(context.state, channel).ordinal
        for attempt in self._keeper.attempts_between(context.state, channel, from_ordinal - 1, through):
            found = self._keeper.attempt(context.state, attempt)
            place = None if found is None else _place_of(found, channel)
            if found is not None and place is not None:
                leg = replace(found.legs[place], generation=record.generation, held=(), refused=())
                self._keeper.write_attempt(context, attempt, _with_leg(found, place, leg))

    def voided(self, context: Context, channel: bytes, number: int) -> None:
        """An entry is empty from now on: if it is a leg of an undecided attempt, that can only be refused, and is at once.

        To be told after the entry ``Voided`` stands in the stream, and while ``Keeper.entry`` still knows the voided one.
        """
        entry = self._keeper.entry(context.state, channel, number)
        if entry is None:
            return
        attempt = self._keeper.attempt_of(context.state, channel, entry.ordinal, number)
        record = None if attempt is None else self._keeper.attempt(context.state, attempt)
        if attempt is not None and record is not None:
            self._decide(context, attempt, record, VOIDED)

    def deadline(self, context: Context, attempt: bytes) -> None:
        """An attempt's time has come. Where too few blocks followed its ordering, it is judged again in the next block."""
        record = self._keeper.attempt(context.state, attempt)
        if record is None:
            return  # cannot be: whatever decides an attempt takes its deadline back
        reason = self._outcome(context.state, record)  # complete before this block, see ``EVENTS_AT_ONCE``
        if reason is None and _is_over(context, record):
            reason = TOO_LATE
        if reason is not None and _events_of(record) <= context.events_left():
            self._decide(context, attempt, record, reason)
        else:  # also where the council left no room for its events: a decision that failed would never be made again
            self._keeper.postpone(context, attempt, record, max(record.deadline_ms, context.block.time_ms))

    def _take_back(
        self, context: Context, channel: bytes, ordinal: int, member: bytes, legs: Sequence[LegResult]
    ) -> None:
        """A vote takes the place of an earlier one on its point: what it does not say any more is not said."""
        said = dict.fromkeys(result.attempt for result in legs)
        for attempt in self._keeper.attempts_between(context.state, channel, ordinal - 1, ordinal):
            record = self._keeper.attempt(context.state, attempt)
            place = None if record is None else _place_of(record, channel)
            if attempt in said or record is None or place is None:
                continue
            leg = record.legs[place]
            if member in leg.held + leg.refused and not self._is_final(context.state, leg):
                silenced = _with_leg(record, place, _with_word(leg, member, None))
                self._keeper.write_attempt(context, attempt, silenced)

    def _hear(
        self, context: Context, result: LegResult, record: AttemptRecord, place: int, member: bytes, room: int
    ) -> int:
        """Take a member's word, and decide if that completes the attempt; the room for events that is left."""
        leg = record.legs[place]
        has_spoken = member in leg.held or member in leg.refused
        if has_spoken and self._is_final(context.state, leg):
            return room
        heard = _with_leg(record, place, _with_word(leg, member, result.held))
        reason = self._verdict(context, heard)
        if reason is not None:
            return self._decide_within(context, result.attempt, heard, reason, room)
        if heard != record:
            self._keeper.write_attempt(context, result.attempt, heard)
        return room

    def _verdict(self, context: Context, record: AttemptRecord) -> str | None:
        """Why the attempt is decided now, or None."""
        if _is_over(context, record):
            return TOO_LATE  # its due item waits for budget
        return self._outcome(context.state, record)

    def _outcome(self, state: State, record: AttemptRecord) -> str | None:
        """What the words on its legs come to, or None."""
        if any(leg.ledger and len(leg.refused) >= leg.policy for leg in record.legs):
            return REFUSED
        return HELD if self._is_held(state, record) else None

    def _is_held(self, state: State, record: AttemptRecord) -> bool:
        return all(
            not leg.ledger or (_has_policy(leg) and _has_attesters(leg) and self._is_final(state, leg))
            for leg in record.legs
        )

    def _is_final(self, state: State, leg: LegState) -> bool:
        return leg.ordinal <= self._keeper.stream(state, leg.ledger).confirmed

    def _decide_within(
        self, context: Context, attempt: bytes, record: AttemptRecord, reason: str, room: int
    ) -> int:
        """Decide now if there is room for the events, else at the start of the next block; the room that is left."""
        needed = _events_of(record)
        if needed > room:
            self._keeper.postpone(context, attempt, record, context.block.time_ms)
            return room
        self._decide(context, attempt, record, reason)
        return room - needed

    def _decide(self, context: Context, attempt: bytes, record: AttemptRecord, reason: str) -> None:
        """Decide for all legs at one place of the root's order. Nothing here can refuse."""
        committed = reason == HELD
        self._keeper.end_attempt(context, attempt, record, committed)
        for leg in record.legs:
            if leg.ledger:
                edges.settle(self._keeper, context, leg.ledger, leg.edges, committed)
                self._keeper.enter(context, leg.ledger, Decided(attempt, committed))
            elif self._root is not None:
                (self._root.execute if committed else self._root.release)(context, attempt)
        silent = _silent(record) if reason == TOO_LATE else ()
        context.emit(AttemptDecided(attempt, record.terms, committed, reason, silent))


def _room(context: Context) -> int:
    """How many events decisions may bring now: others of the same transaction need some too."""
    return min(EVENTS_AT_ONCE, context.events_left() - RESERVED_EVENTS)


def _events_of(record: AttemptRecord) -> int:
    """How many events its decision brings, at most."""
    return 1 + sum(1 if leg.ledger else _EVENTS_ON_ROOT for leg in record.legs)


def _place_of(record: AttemptRecord, channel: bytes) -> int | None:
    """Which leg of the attempt is in the channel, or None."""
    return next((place for place, leg in enumerate(record.legs) if leg.ledger == channel), None)


def _may_speak(leg: LegState, ordinal: int, generation: int, member: bytes) -> bool:
    return leg.ordinal <= ordinal and leg.generation <= generation and member in leg.members


def _with_leg(record: AttemptRecord, place: int, leg: LegState) -> AttemptRecord:
    return replace(record, legs=(*record.legs[:place], leg, *record.legs[place + 1 :]))


def _with_word(leg: LegState, member: bytes, held: bool | None) -> LegState:
    """The leg with what a member says of it now (None: nothing), in place of what it said before."""
    agreeing = [name for name in leg.held if name != member] + [member] * (held is True)
    refusing = [name for name in leg.refused if name != member] + [member] * (held is False)
    return replace(leg, held=tuple(sorted(agreeing)), refused=tuple(sorted(refusing)))


def _has_policy(leg: LegState) -> bool:
    return len(leg.held) >= leg.policy


def _has_attesters(leg: LegState) -> bool:
    return all(attester in leg.held for attester in leg.attesters)


def _is_over(context: Context, record: AttemptRecord) -> bool:
    """Whether the deadline counts: as many whole blocks as were asked for followed the ordering, and could carry words."""
    followed = context.block.height - record.height - 1
    return context.block.time_ms >= record.deadline_ms and followed >= record.blocks


def _silent(record: AttemptRecord) -> tuple[bytes, ...]:
    """Who was asked and said nothing: required attesters, and members where their policy was not reached."""
    silent: dict[bytes, None] = {}
    for leg in record.legs:
        asked = leg.attesters if _has_policy(leg) else leg.members
        silent.update(dict.fromkeys(name for name in asked if name not in leg.held + leg.refused))
    return tuple(sorted(silent))
