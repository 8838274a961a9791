"""Due items: what the kernel runs by itself when block time reaches an item's time.

The queue is part of the state, in order of (due time, kind, key). The items due at the start of a block run
before its transactions, within a budget; the rest run in the following blocks.
"""

from typing import Final

from traco.kernel.codec import Code, Record, TimeMs
from traco.kernel.state import State, Table

KERNEL_PREFIX: Final = 0x00
DUE_TABLE: Final = 0x01
_TIME_BYTES: Final = 8


class DueItem(Record, frozen=True, tag=1):
    """One item: when, what kind (declared by a module), and the key it is about."""

    due_ms: TimeMs
    kind: Code
    key: bytes


_queue: Final[Table[DueItem]] = Table(KERNEL_PREFIX, DUE_TABLE, DueItem)


def schedule(state: State, item: DueItem) -> None:
    """Put an item into the queue; the same item twice is one."""
    _queue.put(state, item, *_parts(item))


def unschedule(state: State, item: DueItem) -> None:
    """Take an item out of the queue if it is there."""
    _queue.delete(state, *_parts(item))


def due_items(state: State, time_ms: int, budget: int) -> list[DueItem]:
    """The first ``budget`` items whose time has come, in order."""
    found = [item for _, item in _queue.scan(state, limit=budget)]
    return [item for item in found if item.due_ms <= time_ms]


def is_scheduled(state: State, item: DueItem) -> bool:
    """Whether the item is in the queue: one that ran before it in the same block may have taken it out."""
    return _queue.get(state, *_parts(item)) is not None


def next_due_ms(state: State) -> int | None:
    """When the first item falls due, or None: an engine makes a block then even if nothing is submitted."""
    first = _queue.scan(state, limit=1)
    return first[0][1].due_ms if first else None


def _parts(item: DueItem) -> tuple[bytes, ...]:
    kind = item.kind.encode()
    return (item.due_ms.to_bytes(_TIME_BYTES, "big"), len(kind).to_bytes(1, "big"), kind, item.key)
