"""Reading a store back: head, tree, history and used ids. Used by the writer at start and by read snapshots."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import apsw
import msgspec

from traco.kernel.merkle import HASH_BYTES, Frontier
from traco.kernel.stateproof import END_OF_CHAIN, HEAD_SLOT
from traco.kernel.statetree import InconsistentState, StateTree
from traco.storage.rows import (
    Delta,
    decode_delta,
    decode_leaves,
    decode_link,
    decode_used,
    unpack_row,
)
from traco.storage.schema import TILE_SLOTS

_frontier = msgspec.msgpack.Decoder(tuple[bytes, ...])


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
    height, time_ms, app_hash, slot_count, first_empty, frontier, size, root, last = row
    history = Frontier.decode(size, _frontier.decode(frontier))
    if height != last or history.root() != root:
        raise InconsistentState("head and last block")
    chain_start = END_OF_CHAIN if first_empty is None else first_empty
    return Head(height, time_ms, app_hash, slot_count, chain_start, history)


def read_deltas(connection: apsw.Connection) -> list[tuple[int, Delta]]:
    """The deltas that are kept, oldest first, with their heights."""
    rows = connection.execute("SELECT height, changes FROM delta ORDER BY height")
    return [(height, decode_delta(changes)) for height, changes in rows]


def read_tree(connection: apsw.Connection, head: Head, deltas: Sequence[Delta]) -> StateTree:
    """The tree after the last block: the swept tables under the deltas, oldest first. Raises ``InconsistentState``.

    Leaf hashes are believed: compare the root with the one committed.
    """
    unswept = {row.slot: row for delta in deltas for row in map(unpack_row, delta.rows)}
    _require_last_slot(connection, head.slot_count, unswept)
    unswept.pop(HEAD_SLOT, None)
    links = {row.slot: decode_link(row.value) for row in unswept.values() if not row.key}
    for slot, value in connection.execute("SELECT slot, value FROM state WHERE key IS NULL"):
        if slot not in unswept:
            links[slot] = decode_link(value)
    swept = connection.execute("SELECT slot, key, value FROM state WHERE key IS NOT NULL")
    return StateTree.restore(
        chain(
            (row for row in swept if row[0] not in unswept),
            (row for row in unswept.values() if row.key),
        ),
        head.slot_count,
        head.first_empty,
        links,
        _read_leaf_hashes(connection, head.slot_count, deltas),
    )


def _require_last_slot(connection: apsw.Connection, slot_count: int, unswept: Iterable[int]) -> None:
    # Before memory is taken for as many slots as the head says there are.
    swept = connection.execute("SELECT coalesce(max(slot), 0) FROM state").get
    if slot_count != 1 + max(swept, max(unswept, default=HEAD_SLOT)):
        raise InconsistentState("number of slots")


def _read_leaf_hashes(connection: apsw.Connection, slot_count: int, deltas: Sequence[Delta]) -> bytes:
    hashes = bytearray(slot_count * HASH_BYTES)
    for tile, content in connection.execute("SELECT tile, hashes FROM leaf_tile"):
        start = tile * TILE_SLOTS * HASH_BYTES
        hashes[start : start + len(content)] = content
    for delta in deltas:
        for index, row in enumerate(delta.rows):
            start = int(row[:12]) * HASH_BYTES
            leaf = delta.leaf_hashes[index * HASH_BYTES : (index + 1) * HASH_BYTES]
            hashes[start : start + HASH_BYTES] = leaf
    return bytes(hashes)


def read_used(connection: apsw.Connection, time_ms: int) -> Iterator[tuple[bytes, int]]:
    """The used ids of every block that has one valid after this time, oldest block first."""
    rows = connection.execute(
        "SELECT time_ms, used, leaves FROM blocks WHERE used_until > ? ORDER BY height", (time_ms,)
    )
    for block_time_ms, used, leaves in rows:
        yield from decode_used(used, block_time_ms, decode_leaves(leaves))
