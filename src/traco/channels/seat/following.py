"""From the root's blocks to what this node has to do: points of its channels, payloads that were ordered, copies of keys.

Blocks are read in order, some at a time; what they say is noted in one durable step before anything is done about it.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from traco.channels.custody.store import CustodyStore
from traco.channels.executing.points import Cursor, Point, point_of
from traco.channels.seat.book import Book
from traco.channels.seat.ports import Root, RootBlock, SeatKeys
from traco.modules.channel.entries import Batch, EpochBegun, Leg, Voided
from traco.modules.channel.events import CopyGiven, Entered, EpochOffered, Supplied
from traco.modules.channel.parts import Terms

BLOCKS: Final = 64  # read and noted at a time


class Noted:
    """What some blocks brought. ``voided``: (channel, number); ``supplied``: (channel, number, content)."""

    def __init__(self) -> None:
        self.height = 0
        self.time_ms = 0
        self.points: list[tuple[bytes, Point]] = []
        self.ordered: dict[
            bytes, list[tuple[bytes, int]]
        ] = {}  # by channel: (payload hash, number), of all channels
        self.voided: list[tuple[bytes, int]] = []
        self.supplied: list[tuple[bytes, int, bytes]] = []


class Follower:
    """Reads the root for the members of this node. Channels that none of them is in are passed over."""

    def __init__(
        self, root: Root, book: Book, custody: CustodyStore, seats: Mapping[bytes, SeatKeys]
    ) -> None:
        self._root = root
        self._book = book
        self._custody = custody
        self._seats = seats
        self._cursors: dict[bytes, Cursor] = {}
        self._kept: dict[bytes, bool] = {}  # whether a channel's payloads are held here, as member or vault

    def advance(self) -> Noted | None:
        """Note the next blocks; None where there are none. Raises ``BookStopped``, ``CustodyStopped``, ``StreamWrong``."""
        noted = Noted()
        for block in self._root.blocks(self._book.read_height(), BLOCKS):
            noted.height, noted.time_ms = block.height, block.time_ms
            self._read(block, noted)
        if not noted.height:
            return None
        for channel, places in noted.ordered.items():
            self._custody.mark_ordered(
                channel, places
            )  # nothing that was ordered may be dropped, a vault's neither
        self._custody.drop_expired(noted.time_ms)
        self._book.note(noted.height, noted.points)
        for channel, point in noted.points:
            self._cursors[channel] = point.end
        return noted

    def _read(self, block: RootBlock, noted: Noted) -> None:
        entered = [event for event in block.events if isinstance(event, Entered)]
        for channel in dict.fromkeys(event.channel for event in entered):
            events = [event for event in entered if event.channel == channel]
            if self._is_member(channel, events):
                cursor = self._cursor(channel, noted)
                point = point_of(channel, block.height, events, cursor)
                if point is not None:
                    noted.points.append((channel, point))
        for event in block.events:
            if isinstance(event, Entered):
                self._note_entry(event, noted)
            elif isinstance(event, Supplied):
                noted.supplied.append((event.channel, event.number, event.content))
            elif isinstance(event, EpochOffered) and self._has_member(event.terms):
                self._book.note_offers([(event.channel, event.epoch, event.key.commitment)])
            elif isinstance(event, CopyGiven) and event.member in self._seats:
                self._book.keep_copies(event.channel, event.epoch, [(event.member, event.copy)])

    def _note_entry(self, event: Entered, noted: Noted) -> None:
        if isinstance(event.entry, Voided):
            noted.voided.append((event.channel, event.entry.number))
        elif isinstance(event.entry, Batch | Leg):
            noted.ordered.setdefault(event.channel, []).append((event.entry.payload.hash, event.number))

    def _is_member(self, channel: bytes, events: Iterable[Entered]) -> bool:
        """Whether a member of this node is in the channel, by its newest terms; vaults have no key and read nothing."""
        for event in events:
            if isinstance(event.entry, EpochBegun):
                self._kept[channel] = self._has_member(event.entry.terms)
        if channel not in self._kept:
            self._kept[channel] = self._book.cursor(channel).ordinal > 0
        return self._kept[channel]

    def _has_member(self, terms: Terms) -> bool:
        return any(member in self._seats for member in terms.members)

    def _cursor(self, channel: bytes, noted: Noted) -> Cursor:
        for other, point in reversed(noted.points):
            if other == channel:
                return point.end
        if channel not in self._cursors:
            self._cursors[channel] = self._book.cursor(channel)
        return self._cursors[channel]
