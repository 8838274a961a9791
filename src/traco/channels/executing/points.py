"""From the root's blocks to points: the entries that one block put into one channel's stream, checked against its chain.

cursor = START
for each block of the root:
    point = point_of(channel, block.height, events, cursor)     # None where the block has none of this channel
    require_chain(channel, point.end, stream.entries, stream.chain)  # against the root's state: then all before is right too
    contents = {number: transactions, or Nothing(code), for number in point.payloads()}
    replica.execute(point, contents, root)
    cursor = point.end
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from traco.channels.executing.errors import StreamWrong
from traco.modules.channel.entries import (
    FIRST_CHAIN,
    Batch,
    Entry,
    Leg,
    PointContext,
    next_chain,
)
from traco.modules.channel.events import Entered
from traco.modules.channel.parts import Payload

VOIDED: Final = "entry.voided"
NOT_A_LEG: Final = "entry.not_a_leg"


@dataclass(frozen=True)
class Nothing:
    """An entry without content: void, or with a payload that cannot be opened. ``code`` is the same on all nodes."""

    code: str


Content = tuple[bytes, ...] | Nothing
"""The transactions of an entry's payload as signed, in order; or that there are none, and why."""

Contents = Mapping[int, Content]
"""By the number of the entry."""


class Cursor(NamedTuple):
    """How far a stream was read: its last entry, the chain's hash behind it, and the last point with its root block."""

    number: int
    chain: bytes
    ordinal: int
    height: int


START: Final = Cursor(0, FIRST_CHAIN, 0, -1)


class Point(NamedTuple):
    """The entries of one channel that one root block made; the first has the number ``first``."""

    context: PointContext
    first: int
    entries: tuple[Entry, ...]
    chain: bytes

    @property
    def end(self) -> Cursor:
        """Where the stream stands behind it."""
        return Cursor(
            self.first + len(self.entries) - 1, self.chain, self.context.ordinal, self.context.height
        )

    def payloads(self) -> dict[int, Payload]:
        """The payloads to be opened, by the numbers of their entries."""
        return {
            self.first + index: entry.payload
            for index, entry in enumerate(self.entries)
            if isinstance(entry, Batch | Leg)
        }


def point_of(channel: bytes, height: int, events: Iterable[Entered], cursor: Cursor) -> Point | None:
    """The point that root block ``height`` makes of its events (of all channels, in order), or None.

    Raises ``StreamWrong`` where they do not follow the cursor.
    """
    found = [event for event in events if event.channel == channel]
    if not found:
        return None
    context = found[0].context
    if context is None or any(event.context is not None for event in found[1:]):
        raise StreamWrong(channel, f"block {height} does not begin one point")
    if context.height != height or height <= cursor.height:
        raise StreamWrong(
            channel, f"a point of block {context.height} in block {height}, behind {cursor.height}"
        )
    for number, event in enumerate(found, cursor.number + 1):
        if event.number != number:
            raise StreamWrong(channel, f"entry {event.number} where {number} is next")
    entries = tuple(event.entry for event in found)
    point = Point(context, cursor.number + 1, entries, chain_behind(cursor.chain, context, entries))
    require_next(channel, point, cursor)
    return point


def require_next(channel: bytes, point: Point, cursor: Cursor) -> None:
    """Raise ``StreamWrong`` unless the point is the one behind the cursor."""
    if not point.entries:
        raise StreamWrong(channel, f"point {point.context.ordinal} has no entries")
    if point.context.ordinal != cursor.ordinal + 1:
        raise StreamWrong(channel, f"point {point.context.ordinal} where {cursor.ordinal + 1} is next")
    if point.first != cursor.number + 1:
        raise StreamWrong(channel, f"entry {point.first} where {cursor.number + 1} is next")
    if point.context.height <= cursor.height:
        raise StreamWrong(channel, f"a point of block {point.context.height} behind one of {cursor.height}")
    if chain_behind(cursor.chain, point.context, point.entries) != point.chain:
        raise StreamWrong(channel, f"point {point.context.ordinal} does not have the chain that it names")


def require_chain(channel: bytes, cursor: Cursor, entries: int, chain: bytes) -> None:
    """Compare a cursor with the root's state. Raises ``StreamWrong``."""
    if (cursor.number, cursor.chain) != (entries, chain):
        raise StreamWrong(channel, f"the chain at entry {cursor.number} is not that of the root at {entries}")


def chain_behind(chain: bytes, context: PointContext, entries: tuple[Entry, ...]) -> bytes:
    """The chain's hash behind the entries of a point."""
    for index, entry in enumerate(entries):
        chain = next_chain(chain, None if index else context, entry)
    return chain
