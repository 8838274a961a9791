"""Where an id is: candidates from the recent blocks and the index, confirmed against the leaf itself."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import apsw

from traco.kernel.merkle import HASH_BYTES
from traco.kernel.receipt import Leaf
from traco.storage.rows import decode_leaves, entry_location
from traco.storage.schema import PREFIX_BYTES

_AFTER_ALL = b"\xff" * 8
"""Behind every location that an entry of the index can have."""


class Location(NamedTuple):
    """Where a leaf is: the block's height and the leaf's index in it."""

    height: int
    leaf: int


def read_leaves(connection: apsw.Connection, height: int) -> tuple[Leaf, ...]:
    """The leaves of a block; none where there is no such block."""
    row = connection.execute("SELECT leaves FROM blocks WHERE height = ?", (height,)).fetchone()
    return () if row is None else decode_leaves(row[0])


def locate(connection: apsw.Connection, identity: bytes, recent: Iterable[Location]) -> Location | None:
    """Where the leaf of a transaction, envelope or due item is, or None. ``recent``: where no sweep has been yet."""
    if len(identity) != HASH_BYTES:
        return None
    for candidates in (recent, _indexed(connection, identity)):
        for place in candidates:
            leaves = read_leaves(connection, place.height)
            if place.leaf < len(leaves) and leaves[place.leaf].identity == identity:
                return place
    return None


def _indexed(connection: apsw.Connection, identity: bytes) -> Iterator[Location]:
    prefix = identity[:PREFIX_BYTES]
    found: list[Any] = connection.execute(
        "SELECT entry FROM transaction_index WHERE entry BETWEEN ? AND ? ORDER BY entry",
        (prefix, prefix + _AFTER_ALL),
    ).fetchall()
    for (entry,) in found:
        yield Location(*entry_location(entry))
