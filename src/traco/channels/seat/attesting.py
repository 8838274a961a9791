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

ITEMS: Final = 256  # of one transaction
POINTS: Final = 64  # of one channel looked at; behind them the newest alone


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

    def _of_channel(self, state: State, channel: bytes) -> Iterator[tuple[bytes, Attested]]:
        stream = self._keeper.stream(state, channel)
        own = self._book.result(channel, stream.confirmed)
        # what was confirmed otherwise than here is disputed: the last such point says it for all before
        after = stream.confirmed - (own is not None and own.digest != stream.digest)
        for ordinal, point in self._keeper.points(state, channel, after, POINTS):
            result = self._book.result(channel, ordinal)
            if result is None:
                return  # executed in order: nothing behind it was
            then = self._keeper.as_of(state, point.height, channel)
            if result.generation != point.generation or then is None:
                continue
            said = {vote.member: vote.digest for vote in point.votes}
            for member in then.terms.members:
                if member in self._seats and said.get(member) != result.digest:
                    yield member, Attested(channel, point.generation, ordinal, result.digest, result.legs)
