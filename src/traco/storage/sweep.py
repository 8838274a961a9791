"""Brings a part of the tables up to date with each block, in bulk.

SQLite gives up the interpreter's lock at every row that a statement is handed; beside a busy thread that costs half a
millisecond each. So rows are handed over as one array of strings, which SQL takes apart: a fixed-width decimal
header, then the bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import apsw

from traco.kernel.stateproof import HEAD_SLOT
from traco.kernel.statetree import StateTree
from traco.storage.index import Location
from traco.storage.rows import SLOT_DIGITS, Delta, entry_location, index_entries
from traco.storage.schema import PREFIX_BYTES, SWEEP_BLOCKS, TILE_SLOTS

_SLOT: Final = "CAST(substr(value, 1, 12) AS INTEGER)"
_KEY_BYTES: Final = "CAST(substr(value, 13, 3) AS INTEGER)"
_KEY: Final = f"nullif(substr(value, 16, {_KEY_BYTES}), x'')"
_VALUE: Final = f"substr(value, 16 + {_KEY_BYTES})"

# Setting the key, even to what it is, would rewrite its entry of the index, on a page far from the others: so rows
# whose slot changed its owner are left to a second statement, which is rarely needed.
_PUT_ROWS: Final = f"""
INSERT INTO state (slot, key, value) SELECT {_SLOT}, {_KEY}, {_VALUE} FROM carray(?) WHERE true
ON CONFLICT (slot) DO UPDATE SET value = excluded.value WHERE key IS excluded.key
"""
_CHANGE_OWNERS: Final = f"""
UPDATE state SET key = row.key, value = row.content
FROM (SELECT {_SLOT} AS slot, {_KEY} AS key, {_VALUE} AS content FROM carray(?)) AS row
WHERE state.slot = row.slot AND state.key IS NOT row.key
"""
_PUT_TILES: Final = f"""
INSERT INTO leaf_tile (tile, hashes) SELECT {_SLOT}, substr(value, 13) FROM carray(?) WHERE true
ON CONFLICT (tile) DO UPDATE SET hashes = excluded.hashes
"""
_PUT_ENTRIES: Final = "INSERT INTO transaction_index (entry) SELECT value FROM carray(?)"

_ROWS_AT_ONCE: Final = 50_000


class Pending:
    """What blocks changed and no sweep has written yet, by the remainder of the height that writes it."""

    def __init__(self) -> None:
        self._rows: list[dict[int, bytes]] = [{} for _ in range(SWEEP_BLOCKS)]
        self._entries: list[list[bytes]] = [[] for _ in range(SWEEP_BLOCKS)]

    def add(self, delta: Delta, height: int) -> None:
        """What the block of this height changed."""
        for row in delta.rows:
            slot = int(row[:SLOT_DIGITS])
            self._rows[slot // TILE_SLOTS % SWEEP_BLOCKS][slot] = row
        for entry in index_entries(delta.id_prefixes, height):
            # Each turn takes one range of prefixes.
            self._entries[entry[0] * SWEEP_BLOCKS >> 8].append(entry)

    def find(self, identity: bytes) -> Iterator[Location]:
        """Where blocks may have the id whose entries are not in the index yet."""
        prefix = identity[:PREFIX_BYTES]
        entries = self._entries[identity[0] * SWEEP_BLOCKS >> 8]
        for entry in entries:
            if entry.startswith(prefix):
                yield Location(*entry_location(entry))

    def take(self, height: int) -> tuple[dict[int, bytes], list[bytes]]:
        """What the block of this height writes: rows by slot, and index entries. They are forgotten."""
        turn = height % SWEEP_BLOCKS
        rows, entries = self._rows[turn], self._entries[turn]
        self._rows[turn], self._entries[turn] = {}, []
        return rows, entries


def write_rows(connection: apsw.Connection, tree: StateTree, rows: Mapping[int, bytes]) -> None:
    """Put these rows of ``state``, by slot, and bring the tiles that they are in up to date with the tree."""
    slots = sorted(rows)
    packed = [rows[slot] for slot in slots if slot != HEAD_SLOT]  # it has a leaf, but neither key nor value
    for start in range(0, len(packed), _ROWS_AT_ONCE):
        chunk = tuple(packed[start : start + _ROWS_AT_ONCE])
        connection.execute(_PUT_ROWS, (apsw.carray(chunk),))
        if connection.changes() < len(chunk):
            connection.execute(_CHANGE_OWNERS, (apsw.carray(chunk),))
    tiles = [
        b"%012d%b" % (tile, tree.leaf_hashes(tile * TILE_SLOTS, (tile + 1) * TILE_SLOTS))
        for tile in dict.fromkeys([slot // TILE_SLOTS for slot in slots])
    ]
    if tiles:
        connection.execute(_PUT_TILES, (apsw.carray(tuple(tiles)),))


def write_entries(connection: apsw.Connection, entries: Sequence[bytes]) -> None:
    """Add entries to the transaction index."""
    if entries:
        connection.execute(_PUT_ENTRIES, (apsw.carray(tuple(sorted(entries))),))
