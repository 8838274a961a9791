"""The state of an instrument in one channel as of a block of the root, for its registrar's file (``channels.disclosing.total``)."""

import asyncio
from bisect import bisect_right
from collections.abc import Callable
from typing import Final, NamedTuple

from traco.channels.disclosing.errors import Undisclosable
from traco.channels.disclosing.form import MAX_LINKS
from traco.channels.disclosing.total import ProvenValue, supply_key
from traco.channels.seat.book import Book
from traco.channels.seat.disclosing import Discloser
from traco.channels.seat.hosting import Hosted
from traco.channels.seat.ports import Root
from traco.kernel.codec import Count, Hash, Record
from traco.kernel.merkle import Frontier
from traco.kernel.statetree import StateTree
from traco.modules.channel.digests import PointSummary
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.parts import ChannelId

LOOKS: Final = 100
PAUSE_S: Final = 0.2


class ChannelPart(Record, frozen=True):
    """What ``ChannelTotal`` has of a channel, but for what the root says of it. ``origin``: its transaction that confirmed the last link."""

    channel: ChannelId
    summary: PointSummary
    blind: Hash
    state_root: Hash
    history_root: Hash
    history_size: Count
    supply: ProvenValue
    links: tuple[PointSummary, ...]
    origin: Hash


class _State(NamedTuple):
    tree: StateTree
    history: Frontier


class Totaller:
    """Reads the channels of one node."""

    def __init__(
        self, root: Root, book: Book, discloser: Discloser, hosted: Callable[[bytes], Hosted]
    ) -> None:
        self._root = root
        self._book = book
        self._discloser = discloser
        self._hosted = hosted
        self._keeper = Keeper()

    async def part(self, channel: bytes, instrument: bytes, height: int) -> ChannelPart:
        """The instrument in a channel as of a block, once its points up to there are confirmed.

        Raises ``Undisclosable`` (``total.not_confirmed``), ``NotHosted``, ``ExecutingError``, ``KeyMissing``.
        """
        ordinal, last, origin = await self._confirmed(channel, height)
        tree, history = await self._state(channel, ordinal)
        hosted = self._hosted(channel)
        shown, key = hosted.shown(ordinal), supply_key(instrument)
        links = tuple(hosted.summary(each) for each in range(ordinal + 1, last + 1))
        return ChannelPart(
            channel, shown.summary, shown.blinding.blind(), tree.root(), history.root(), history.size,
            ProvenValue(tree.get(key), tree.prove(key)), links, origin,
        )  # fmt: skip

    async def _confirmed(self, channel: bytes, height: int) -> tuple[int, int, bytes]:
        """The last point up to a block, the first one from there on that the root confirmed by itself, and where."""
        for _ in range(LOOKS):
            self._hosted(channel)
            found = self._look(channel, height)
            if found is not None:
                return found
            await asyncio.sleep(PAUSE_S)
        raise Undisclosable(
            "total.not_confirmed",
            f"what channel {channel.hex()} has up to block {height} is not confirmed, or not executed here",
        )

    def _look(self, channel: bytes, height: int) -> tuple[int, int, bytes] | None:
        with self._root.reading() as root:
            stream = self._keeper.stream(root.state, channel)
        cursor = self._book.cursor(channel)
        is_read = cursor.ordinal == stream.ordinal or cursor.height > height
        ordinals = range(1, cursor.ordinal + 1)
        ordinal = bisect_right(ordinals, height, key=lambda each: self._height(channel, each))
        found = self._book.confirmation(channel, ordinal) if is_read and ordinal else None
        if found is None or self._book.result(channel, found[0]) is None or found[0] - ordinal > MAX_LINKS:
            return None
        return ordinal, *found

    def _height(self, channel: bytes, ordinal: int) -> int:
        point = self._book.point(channel, ordinal)
        return 0 if point is None else point.context.height

    async def _state(self, channel: bytes, ordinal: int) -> _State:
        present = self._hosted(channel).replica.at(ordinal)
        if present is not None:
            return _State(*present)
        made, _ = await self._discloser.replica_at(channel, ordinal)
        return _State(made.tree, made.history)
