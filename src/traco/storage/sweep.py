"""Brings a part of the tables up to date with each block, in bulk.

SQLite gives up the interpreter's lock at every row that a statement is handed; beside a busy thread that costs half a
millisecond each. So rows are handed over as one array of strings, which SQL takes apart: a fixed-width decimal
header, then the bytes.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import apsw

from traco.kernel.statetree import HEAD_SLOT, StateTree
from traco.storage.rows import slot_content
from traco.storage.schema import SWEEP_BLOCKS, TILE_SLOTS

_SLOT: Final = "CAST(substr(value, 1, 12) AS INTEGER)"
_KEY_BYTES: Final = "CAST(substr(value, 13, 3) AS INTEGER)"
_KEY: Final = f"nullif(substr(value, 16, {_KEY_BYTES}), x'')"
_VALUE: Final = f"substr(value, 16 + {_KEY_BYTES})"

# Setting the key, even to what it is, would rewrite its entry of the index, on a page far from the others: so rows
# whose slot changed its owner are left to a second statement, which rarely finds any.
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
        self._slots: list[dict[int, None]] = [{} for _ in range(SWEEP_BLOCKS)]
        self._entries: list[list[bytes]] = [[] for _ in range(SWEEP_BLOCKS)]

    def add(self, slots: Iterable[int], entries: Iterable[bytes]) -> None:
        """What a block touched: slots, and entries for the transaction index."""
        for slot in slots:
            self._slots[slot // TILE_SLOTS % SWEEP_BLOCKS][slot] = None
        for entry in entries:
            # Each turn takes one range of prefixes.
            self._entries[entry[0] * SWEEP_BLOCKS >> 8].append(entry)

    def take(self, height: int) -> tuple[list[int], list[bytes]]:
        """What the block of this height is to write: slots and index entries, both ascending. They are forgotten."""
        turn = height % SWEEP_BLOCKS
        slots, entries = sorted(self._slots[turn]), sorted(self._entries[turn])
        self._slots[turn], self._entries[turn] = {}, []
        return slots, entries


def write_slots(connection: apsw.Connection, tree: StateTree, slots: Sequence[int]) -> None:
    """Bring these slots (ascending) and the tiles that they are in up to date with the tree."""
    for start in range(0, len(slots), _ROWS_AT_ONCE):
        _write_rows(connection, tree, slots[start : start + _ROWS_AT_ONCE])
    tiles = list(dict.fromkeys([slot // TILE_SLOTS for slot in slots]))
    if tiles:
        packed = [
            b"%012d%b" % (tile, tree.leaf_hashes(tile * TILE_SLOTS, (tile + 1) * TILE_SLOTS))
            for tile in tiles
        ]
        connection.execute(_PUT_TILES, (apsw.carray(tuple(packed)),))


def _write_rows(connection: apsw.Connection, tree: StateTree, slots: Sequence[int]) -> None:
    packed = []
    for slot in slots:
        if slot != HEAD_SLOT:  # it has a leaf, but neither key nor value
            key, value, _ = slot_content(tree, slot)
            packed.append(b"%012d%03d%b%b" % (slot, len(key), key, value))
    if packed:
        connection.execute(_PUT_ROWS, (apsw.carray(tuple(packed)),))
        connection.execute(_CHANGE_OWNERS, (apsw.carray(tuple(packed)),))


def write_entries(connection: apsw.Connection, entries: Sequence[bytes]) -> None:
    """Add entries (ascending) to the transaction index."""
    if entries:
        connection.execute(_PUT_ENTRIES, (apsw.carray(tuple(entries)),))
