"""What the root says of a channel, block by block, for somebody who has the root's blocks and no key."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Final, NamedTuple, Protocol

from traco.channels.executing.registry_view import RootState
from traco.kernel.codec import digest, encode
from traco.kernel.genesis import Genesis
from traco.kernel.instruction import Event
from traco.modules.channel.entries import Entry, PointContext, Voided
from traco.modules.channel.events import Confirmed, Disclosed, Entered

BLOCKS: Final = 256  # read at a time
_ENTRIES_TAG: Final = b"traco/disclosed-entries/1"  # only compared here, never sent


class RootBlock(Protocol):
    """A committed block of the root: its events, each with the id of its transaction or due item."""

    @property
    def height(self) -> int:
        """Its height."""

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened, in order."""

    @property
    def origins(self) -> tuple[bytes, ...]:
        """By whose doing."""


class AuditedRoot(Protocol):
    """The root as the auditor's own node has it."""

    @property
    def genesis(self) -> Genesis:
        """The founding document."""

    def reading(self) -> AbstractContextManager[RootState]:
        """The committed state, which does not change while it is read."""

    def blocks(self, after: int, limit: int) -> Iterable[RootBlock]:
        """Up to ``limit`` committed blocks behind a height, in order."""


class OrderedPoint(NamedTuple):
    """What the root made of a point: its context, its first entry, and a hash of its entries."""

    context: PointContext
    first: int
    entries: bytes


class RootRecord(NamedTuple):
    """What the root says of a channel from some height on. ``disclosed``: commitments by the transaction that has them."""

    points: dict[int, OrderedPoint]
    voided: frozenset[int]
    confirmed: dict[int, bytes]
    disclosed: dict[bytes, Disclosed]


def read_root(root: AuditedRoot, channel: bytes, from_height: int) -> RootRecord:
    """Read the root's blocks from a height on, for one channel."""
    points, voided = dict[int, OrderedPoint](), set[int]()
    confirmed, disclosed = dict[int, bytes](), dict[bytes, Disclosed]()
    for block in _blocks(root, from_height - 1):
        entered = list[Entered]()
        for event, origin in zip(block.events, block.origins, strict=True):
            if getattr(event, "channel", None) != channel:
                continue
            if isinstance(event, Entered):
                entered.append(event)
                if isinstance(event.entry, Voided):
                    voided.add(event.entry.number)
            elif isinstance(event, Confirmed):
                confirmed[event.ordinal] = event.digest
            elif isinstance(event, Disclosed):
                disclosed[origin] = event
        context = entered[0].context if entered else None
        if context is not None:
            entries = entries_hash(tuple(event.entry for event in entered))
            points[context.ordinal] = OrderedPoint(context, entered[0].number, entries)
    return RootRecord(points, frozenset(voided), confirmed, disclosed)


def entries_hash(entries: tuple[Entry, ...]) -> bytes:
    """What entries are compared by."""
    return digest(_ENTRIES_TAG, encode(entries))


def _blocks(root: AuditedRoot, after: int) -> Iterator[RootBlock]:
    while True:
        height = after
        for block in root.blocks(after, BLOCKS):
            yield block
            height = block.height
        if height == after:
            return
        after = height
