"""Reading a store back: head, tree, history and used ids. Used by the writer at start and by read snapshots."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, NamedTuple

import apsw
import msgspec

from traco.kernel.merkle import HASH_BYTES, Frontier
from traco.kernel.stateproof import END_OF_CHAIN, HEAD_SLOT
from traco.kernel.statetree import InconsistentState, StateTree
from traco.storage.rows import (
    SLOT_DIGITS,
    Delta,
    decode_delta,
    decode_leaves,
    decode_link,
    decode_used,
    unpack_content,
)
from traco.storage.schema import TILE_SLOTS

decode_frontier = msgspec.msgpack.Decoder(tuple[bytes, ...]).decode
HEAD_TYPES: Final = (int, int, bytes, int, int | None, bytes, int, bytes, int)


class Head(NamedTuple):
    """The last committed block and what the tree and the history need at start."""

    height: int
    time_ms: int
    app_hash: bytes
    slot_count: int
    first_empty: int
    history: Frontier


def read_head(connection: apsw.Connection) -> Head:
    """The head. Raises ``InconsistentState`` where it does not fit the last block."""
    row = connection.execute(
        "SELECT head.height, time_ms, app_hash, slot_count, first_empty, frontier, history_size, history_root,"
        " (SELECT max(height) FROM blocks) FROM head JOIN blocks ON blocks.height = head.height"
    ).get
    if not isinstance(row, tuple):
        raise InconsistentState("no last block")
    if not all(map(isinstance, row, HEAD_TYPES)):
        raise InconsistentState("types of the last block")
    height, time_ms, app_hash, slot_count, first_empty, frontier, size, root, last = row
    history = Frontier.decode(size, decode_frontier(frontier))
    if height != last or history.root() != root:
        raise InconsistentState("head and last block")
    chain_start = END_OF_CHAIN if first_empty is None else first_empty
    return Head(height, time_ms, app_hash, slot_count, chain_start, history)


def read_deltas(connection: apsw.Connection) -> list[tuple[int, Delta]]:
    """The deltas that are kept, oldest first, with their heights. Raises ``InconsistentState``."""
    deltas = []
    for height, changes in connection.execute("SELECT height, changes FROM delta ORDER BY height"):
        if not isinstance(changes, bytes):  # in a page that is not what was written
            raise InconsistentState(f"changes of block {height}")
        deltas.append((height, decode_delta(changes)))
    return deltas


def read_tree(connection: apsw.Connection, head: Head, deltas: Sequence[Delta]) -> StateTree:
    """The tree after the last block: the swept tables under the deltas, oldest first. Raises ``InconsistentState``.

    Leaf hashes are believed: compare the root with the one committed.
    """
    slots = [[int(row[:SLOT_DIGITS]) for row in delta.rows] for delta in deltas]
    _require_slots(connection, head.slot_count, chain.from_iterable(slots))
    keys = [b""] * head.slot_count
    values = keys.copy()
    for slot, key, value in connection.execute("SELECT slot, coalesce(key, x''), value FROM state"):
        keys[slot] = key
        values[slot] = value
    for delta, changed in zip(deltas, slots, strict=True):
        for slot, (key, value) in zip(changed, map(unpack_content, delta.rows), strict=True):
            keys[slot] = key
            values[slot] = value
    links: dict[int, int] = {}
    for slot in [slot for slot, key in enumerate(keys) if not key and slot != HEAD_SLOT]:
        links[slot] = decode_link(values[slot])
        values[slot] = b""
    hashes = _read_leaf_hashes(connection, head.slot_count, deltas, slots)
    return StateTree.restore_slots(keys, values, head.first_empty, links, hashes)


def _require_slots(connection: apsw.Connection, slot_count: int, unswept: Iterable[int]) -> None:
    # Before memory is taken for as many slots as the head says there are. The head itself has no row of ``state``.
    first = connection.execute("SELECT coalesce(min(slot), 1) FROM state").get
    last = connection.execute("SELECT coalesce(max(slot), 0) FROM state").get
    slots = [HEAD_SLOT, last, *unswept]
    if first <= HEAD_SLOT or min(slots) < HEAD_SLOT or max(slots) != slot_count - 1:
        raise InconsistentState("number of slots")


def _read_leaf_hashes(
    connection: apsw.Connection, slot_count: int, deltas: Sequence[Delta], slots: Sequence[Sequence[int]]
) -> bytes:
    hashes = bytearray(slot_count * HASH_BYTES)
    for tile, content in connection.execute("SELECT tile, hashes FROM leaf_tile"):
        start = tile * TILE_SLOTS * HASH_BYTES
        hashes[start : start + len(content)] = content
    view = memoryview(hashes)  # writing through it is twice as fast
    for delta, changed in zip(deltas, slots, strict=True):
        for index, slot in enumerate(changed):
            start, leaf = slot * HASH_BYTES, index * HASH_BYTES
            view[start : start + HASH_BYTES] = delta.leaf_hashes[leaf : leaf + HASH_BYTES]
    return bytes(hashes)


def read_inherited(connection: apsw.Connection, time_ms: int) -> Iterator[tuple[bytes, int]]:
    """The used ids that a snapshot brought and that may be valid after this time, with when each is forgotten."""
    if connection.table_exists(None, "inherited"):
        for until_ms, ids in connection.execute(
            "SELECT until_ms, ids FROM inherited WHERE until_ms > ?", (time_ms,)
        ):
            for start in range(0, len(ids), HASH_BYTES):
                yield ids[start : start + HASH_BYTES], until_ms


def read_used(connection: apsw.Connection, time_ms: int) -> Iterator[tuple[bytes, int]]:
    """The used ids of every block that has one valid after this time, oldest block first."""
    rows = connection.execute(
        "SELECT time_ms, used, leaves FROM blocks WHERE used_until > ? ORDER BY height", (time_ms,)
    )
    for block_time_ms, used, leaves in rows:
        yield from decode_used(used, block_time_ms, decode_leaves(leaves))
