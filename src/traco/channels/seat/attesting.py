"""What the members of this node still have to attest, found by comparing the root's points with the results in the book.

Nothing is remembered of what was sent: a word that the root does not have is sent again, so a crash loses none.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from traco.channels.executing.registry_view import RootState
from traco.channels.seat.book import Book
from traco.channels.seat.ports import SeatKeys
from traco.kernel.state import State
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.parts import Attested
from traco.modules.channel.state import Point

ITEMS: Final = 256  # of one transaction
POINTS: Final = 64  # of one channel looked at: once they are confirmed, those behind them are


class Attester:
    """Finds words to send."""

    def __init__(self, keeper: Keeper, book: Book, seats: Mapping[bytes, SeatKeys]) -> None:
        self._keeper = keeper
        self._book = book
        self._seats = seats

    def words(self, root: RootState, channels: Sequence[bytes]) -> dict[bytes, tuple[Attested, ...]]:
        """By member, what it has to say of these channels; at most ``ITEMS`` each."""
        found: dict[bytes, list[Attested]] = {}
        for channel in channels:
            for member, word in self._of_channel(root.state, channel):
                words = found.setdefault(member, [])
                if len(words) < ITEMS:
                    words.append(word)
        return {member: tuple(words) for member, words in found.items()}

    def is_done(self, root: RootState, channel: bytes) -> bool:
        """Whether nothing is left to be said of a channel, by anybody."""
        stream = self._keeper.stream(root.state, channel)
        return stream.confirmed == stream.ordinal and not self._keeper.is_undecided(root.state, channel)

    def _of_channel(self, state: State, channel: bytes) -> Iterator[tuple[bytes, Attested]]:
        stream = self._keeper.stream(state, channel)
        yield from self._of_legs(state, channel, stream.confirmed)
        # what was confirmed otherwise than here is disputed: the last such point says it for all before
        after = stream.confirmed - self._book.is_disputed(channel)
        # what is before a snapshot was not executed here; a word on its point stands for all before
        after = max(after, self._book.base(channel).ordinal - 1)
        for ordinal, point in self._keeper.points(state, channel, after, POINTS):
            if self._book.result(channel, ordinal) is None:
                return  # executed in order: nothing behind it was
            yield from self._of_point(state, channel, ordinal, point, is_final=ordinal <= stream.confirmed)

    def _of_legs(self, state: State, channel: bytes, confirmed: int) -> Iterator[tuple[bytes, Attested]]:
        """Words on confirmed points with a leg that may wait for one of our members: a required attester may be the last."""
        for attempt in self._keeper.attempts_between(state, channel, 0, confirmed):
            record = self._keeper.attempt(state, attempt)
            for leg in () if record is None else record.legs:
                point = self._keeper.point(state, channel, leg.ordinal) if leg.ledger == channel else None
                if point is not None:
                    yield from self._of_point(state, channel, leg.ordinal, point, is_final=True)

    def _of_point(
        self, state: State, channel: bytes, ordinal: int, point: Point, *, is_final: bool
    ) -> Iterator[tuple[bytes, Attested]]:
        """What our members have not said of a point. A word on a confirmed point stands: it is said once."""
        result, then = (
            self._book.result(channel, ordinal),
            self._keeper.as_of(state, point.height, channel),
        )
        if result is None or then is None or result.generation != point.generation:
            return
        said = {vote.member: vote.digest for vote in point.votes}
        for member in then.terms.members:
            is_said = member in said if is_final else said.get(member) == result.digest
            if member in self._seats and not is_said:
                yield member, Attested(channel, point.generation, ordinal, result.digest, result.legs)
