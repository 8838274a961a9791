"""Attestations: how members' words on points become confirmed points, dissent, or a suspension.

A point is confirmed when as many members as the policy asks for say the same of it, digest and results of legs alike. Who
counts is read from the channel as of the point's height. All points before are confirmed with it, for a digest contains
the digest before it. A channel is suspended when of a point that is not confirmed no digest can reach the policy any more,
even if all who are silent joined it. That is judged for the points that a word was said of, not for the oldest alone: a
member that was away speaks of the newest only, and would count as silent on the oldest for ever.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from msgspec.structs import replace

from traco.kernel.codec import digest, encode
from traco.kernel.module import Context
from traco.modules.channel.entries import Suspended
from traco.modules.channel.errors import NotMember
from traco.modules.channel.events import Confirmed, Dissented
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.messages import Attest
from traco.modules.channel.parts import RESERVED_EVENTS, Attested, LegResult, Terms
from traco.modules.channel.state import Point, Vote

RESULTS_TAG: Final = b"traco/leg-results/1"


class LegVotes(Protocol):
    """Those who count what members say of legs."""

    def attested(
        self,
        context: Context,
        channel: bytes,
        ordinal: int,
        generation: int,
        member: bytes,
        legs: Sequence[LegResult],
    ) -> None:
        """A member's word on a point counts, and with it what it says of legs."""

    def confirmed(self, context: Context, channel: bytes, after: int, through: int) -> None:
        """The points behind ``after`` up to ``through`` stand for good now."""


class Word(NamedTuple):
    """What votes must have alike."""

    digest: bytes
    legs: bytes


class Attestations:
    """Counts what members attest."""

    def __init__(self, keeper: Keeper, legs: LegVotes) -> None:
        self._keeper = keeper
        self._legs = legs

    def attest(self, context: Context, message: Attest) -> None:
        """Count what is of use in a member's list, as long as there is room for events; the rest changes nothing.

        Raises ``NotMember``.
        """
        counted: dict[tuple[bytes, int], None] = {}
        last = {(item.channel, item.ordinal): item for item in message.items}  # of two words, the later one
        for item in last.values():
            point = self._keeper.point(context.state, item.channel, item.ordinal)
            record = self._keeper.channel(context.state, item.channel)
            if point is None or record is None:
                continue
            # authorise
            then = self._keeper.as_of(context.state, point.height, item.channel)
            if then is None or message.party not in then.terms.members:
                if message.party not in record.terms.members:
                    raise NotMember(message.party, item.channel)
                continue  # joined later: whoever was a member then decides
            # check, change, emit
            named = 2 * len(then.terms.members)
            if counted and context.events_left() < RESERVED_EVENTS + named:
                break  # what is left is not said yet, and can be said in another transaction
            if self._count(context, message.party, item, point, then.terms):
                counted[item.channel, item.ordinal] = None
        # behind all of them: a member that corrects itself does so for several points at once
        for channel, ordinal in sorted(counted):
            self._suspend_if_stuck(context, channel, ordinal)

    def _count(self, context: Context, member: bytes, item: Attested, point: Point, terms: Terms) -> bool:
        """Count a member's word on a point, if it is of use."""
        if item.generation != point.generation or point.height == context.block.height:
            return False
        vote = Vote(member, item.digest, results_hash(item.legs))
        stream = self._keeper.stream(context.state, item.channel)
        agreed = agreed_word(point, terms.policy)
        if item.ordinal <= stream.confirmed:
            if any(cast.member == member for cast in point.votes):
                return False  # a word on a confirmed point stands
            if not item.legs and agreed == word_of(vote):
                return False  # nothing that is not known
        elif vote in point.votes:
            return False
        voted = replace(point, votes=_with(point.votes, vote))
        self._keeper.write_point(context, item.channel, item.ordinal, voted)
        if agreed is not None and agreed != word_of(vote):
            context.emit(Dissented(item.channel, item.ordinal, member, item.digest))
            return True
        if agreed is None:
            self._conclude(context, item, voted, terms.policy, stream.confirmed)
        self._legs.attested(context, item.channel, item.ordinal, item.generation, member, item.legs)
        return True

    def _conclude(self, context: Context, item: Attested, point: Point, policy: int, confirmed: int) -> None:
        """Confirm the point if its members have come to agree on it, and name who does not."""
        agreed = agreed_word(point, policy)
        if agreed is None:
            return
        if item.ordinal > confirmed:
            self._keeper.confirm(context, item.channel, item.ordinal, agreed.digest)
            context.emit(Confirmed(item.channel, item.ordinal, agreed.digest))
        self._name(context, item.channel, item.ordinal, point, agreed)
        if item.ordinal > confirmed:
            self._legs.confirmed(context, item.channel, confirmed, item.ordinal)

    def _suspend_if_stuck(self, context: Context, channel: bytes, ordinal: int) -> None:
        """Suspend an open channel if the votes on this point cannot confirm it any more."""
        state = context.state
        record, point = self._keeper.require(state, channel), self._keeper.point(state, channel, ordinal)
        is_confirmed = ordinal <= self._keeper.stream(state, channel).confirmed
        if record.status != "open" or is_confirmed or point is None:
            return
        then = self._keeper.as_of(state, point.height, channel)
        if then is None or can_be_confirmed(point, then.terms):
            return
        suspended = replace(record, status="suspended", suspended_ms=context.block.time_ms)
        self._keeper.write(context, channel, suspended)
        self._keeper.enter(context, channel, Suspended(ordinal))
        if context.events_left() >= RESERVED_EVENTS // 2:
            self._name(context, channel, ordinal, point, _favoured(point))

    def _name(self, context: Context, channel: bytes, ordinal: int, point: Point, word: Word | None) -> None:
        """Say who attested otherwise."""
        for vote in point.votes:
            if word_of(vote) != word:
                context.emit(Dissented(channel, ordinal, vote.member, vote.digest))


def results_hash(legs: tuple[LegResult, ...]) -> bytes:
    """What a vote keeps of the results of legs."""
    return digest(RESULTS_TAG, encode(legs)) if legs else b""


def word_of(vote: Vote) -> Word:
    """What a member says."""
    return Word(vote.digest, vote.legs)


def agreed_word(point: Point, policy: int) -> Word | None:
    """What as many members say of a point as the policy asks for, or None. There is one at most: policies are majorities."""
    return next((word for word, votes in _tally(point) if votes >= policy), None)


def can_be_confirmed(point: Point, terms: Terms) -> bool:
    """Whether those who are silent could still bring one word up to the policy."""
    most = max((votes for _, votes in _tally(point)), default=0)
    return most + len(terms.members) - len(point.votes) >= terms.policy


def _favoured(point: Point) -> Word | None:
    """What more members say than anything else; None where two words have as many votes."""
    (word, votes), *others = sorted(_tally(point), key=lambda counted: -counted[1])
    return None if any(other == votes for _, other in others) else word


def _tally(point: Point) -> Iterator[tuple[Word, int]]:
    yield from Counter(word_of(vote) for vote in point.votes).items()


def _with(votes: tuple[Vote, ...], vote: Vote) -> tuple[Vote, ...]:
    others = [other for other in votes if other.member != vote.member]
    return tuple(sorted((*others, vote), key=lambda cast: cast.member))
