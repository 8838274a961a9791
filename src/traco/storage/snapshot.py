"""Committed snapshots for readers: consistent, beside the writer, in any process.

A snapshot is one read transaction. It holds up neither writer nor other readers; but as long as it is open the log
cannot be reused, so it is for one answer, not for a session.
"""

import os
from bisect import bisect_left
from collections.abc import Iterator
from os import PathLike, fspath
from types import TracebackType
from typing import Self

import apsw

from traco.kernel.codec import ROOT
from traco.kernel.merkle import Frontier
from traco.kernel.receipt import Leaf
from traco.kernel.statetree import InconsistentState, StateTree
from traco.storage.database import (
    FOUNDING,
    Base,
    is_founded,
    open_reader,
    read_base,
    read_meta,
    require_network,
)
from traco.storage.errors import halting
from traco.storage.index import Location, locate, read_leaves
from traco.storage.loading import Head, read_head, read_tree
from traco.storage.rows import (
    BLOCK_COLUMNS,
    Delta,
    StoredBlock,
    decode_delta,
    entry_location,
    index_entries,
    stored_block,
    unpack_row,
)
from traco.storage.schema import PREFIX_BYTES, SWEEP_BLOCKS


def file_identity(path: str) -> tuple[int, int] | None:
    """Which file has this name now; None where there is none (or only on a simulated disk)."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


class ParsedDelta:
    """The changes of one block by key, and the ids of its leaves. Immutable, so snapshots share it."""

    def __init__(self, height: int, delta: Delta) -> None:
        self.height = height
        self.delta = delta
        self.values: dict[bytes, bytes | None] = dict.fromkeys(delta.deleted)
        self.values.update((row.key, row.value) for row in map(unpack_row, delta.rows) if row.key)
        self.keys = sorted(self.values)

    def between(self, start: bytes, stop: bytes) -> list[bytes]:
        """The keys in [start, stop) that the block changed, ascending."""
        return self.keys[bisect_left(self.keys, start) : bisect_left(self.keys, stop)]

    def find(self, identity: bytes) -> Iterator[Location]:
        """Where the block may have the id."""
        prefix = identity[:PREFIX_BYTES]
        if prefix in self.delta.id_prefixes:
            for entry in index_entries(self.delta.id_prefixes, self.height):
                if entry.startswith(prefix):
                    yield Location(*entry_location(entry))


class SnapshotReader:
    """Opens snapshots of one store and keeps what they can share. For several threads.

    Where another file has taken the store's place (see ``copying.swap``), the next snapshot is of that one. ``network``, ``ledger`` and ``vfs`` as in `LedgerStore`.
    """

    def __init__(
        self, path: str | PathLike[str], network: bytes | None = None, ledger: bytes = ROOT, *,
        vfs: str | None = None,
    ) -> None:  # fmt: skip
        self.path = fspath(path)
        self._network = network
        self._ledger = ledger
        self._vfs = vfs
        self._idle: list[apsw.Connection] = []
        self._file: tuple[int, int] | None = None
        self._meta: dict[str, bytes] | None = None  # never changes as long as the file is the same
        self._base = FOUNDING
        self._deltas: dict[int, ParsedDelta] = {}

    def snapshot(self) -> "ReadSnapshot | None":
        """The last committed block and all before it; None where nothing was founded. Close it after use."""
        with halting(self.path):
            self._notice_replacement()
            connection = self._idle.pop() if self._idle else open_reader(self.path, self._vfs, lasting=True)
            try:
                connection.execute("BEGIN")
                if not is_founded(connection):
                    self.give_back(connection)
                    return None
                if self._meta is None:
                    meta = read_meta(connection, self.path)
                    require_network(meta, self.path, self._network, self._ledger)
                    self._base, self._meta = read_base(meta), meta
                head = read_head(connection)
                deltas = self._read_deltas(connection, head.height)
                return ReadSnapshot(self, connection, self._meta, self._base, head, deltas)
            except BaseException:
                connection.close(True)
                raise

    def _notice_replacement(self) -> None:
        found = file_identity(self.path)
        if found != self._file:
            idle, self._idle = self._idle, []
            self._file, self._meta, self._deltas = found, None, {}
            for connection in idle:
                connection.close()

    def _read_deltas(self, connection: apsw.Connection, height: int) -> list[ParsedDelta]:
        known = self._deltas
        kept = range(max(self._base.height + 1, height - SWEEP_BLOCKS + 1), height + 1)
        deltas = {wanted: known[wanted] for wanted in kept if wanted in known}
        for wanted in kept:
            if wanted not in deltas:
                raw = connection.execute("SELECT changes FROM delta WHERE height = ?", (wanted,)).get
                if not isinstance(raw, bytes):
                    raise InconsistentState(f"no changes of block {wanted}")
                deltas[wanted] = ParsedDelta(wanted, decode_delta(raw))
        # Another thread may do the same; the last one's are kept.
        self._deltas = deltas
        return [deltas[wanted] for wanted in reversed(kept)]

    def give_back(self, connection: apsw.Connection) -> None:
        """End a snapshot's transaction and keep its connection for the next one."""
        connection.execute("ROLLBACK")
        self._idle.append(connection)

    def end(self, connection: apsw.Connection, meta: dict[str, bytes]) -> None:
        """As ``give_back``, for a snapshot with these rows of ``meta``: not where the file was replaced since."""
        if meta is self._meta:
            self.give_back(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close the connections that no snapshot uses."""
        with halting(self.path):
            while self._idle:
                self._idle.pop().close()


class ReadSnapshot:
    """A committed ledger as of one height; a ``StateReader`` of the kernel. Methods raise ``StorageHalt``."""

    def __init__(
        self, reader: SnapshotReader, connection: apsw.Connection, meta: dict[str, bytes], base: Base, head: Head,
        deltas: list[ParsedDelta],
    ) -> None:  # fmt: skip
        self._reader = reader
        self._open: apsw.Connection | None = connection
        self._meta = meta
        self._base = base
        self._head = head
        self._deltas = deltas  # newest first

    @property
    def _connection(self) -> apsw.Connection:
        if self._open is None:
            raise RuntimeError("the snapshot is closed")
        return self._open

    @property
    def height(self) -> int:
        """The height of the last block."""
        return self._head.height

    @property
    def first_height(self) -> int:
        """The height that the ledger begins with here: 0, the founding; or that of the snapshot that it was made from.

        Of blocks below nothing is there, and of the block at this height no leaves.
        """
        return self._base.height

    @property
    def base(self) -> Base:
        """What the ledger begins with here, with the edge of the history log that it has no leaves of."""
        return self._base

    @property
    def time_ms(self) -> int:
        """The time of the last block."""
        return self._head.time_ms

    @property
    def app_hash(self) -> bytes:
        """The app hash after the last block."""
        return self._head.app_hash

    @property
    def history_size(self) -> int:
        """How many block records the history log has."""
        return self._head.history.size

    @property
    def history(self) -> Frontier:
        """The edge of the history log."""
        return self._head.history

    @property
    def genesis(self) -> bytes:
        """The genesis document, as founded."""
        return self._meta["genesis"]

    @property
    def network(self) -> bytes:
        """The network's id."""
        return self._meta["network"]

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        for delta in self._deltas:
            if key in delta.values:
                return delta.values[key]
        with halting(self._reader.path):
            row = self._connection.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def range(self, start: bytes, stop: bytes) -> Iterator[bytes]:
        """The keys in [start, stop), ascending."""
        recent: dict[bytes, bytes | None] = {}
        for delta in reversed(self._deltas):
            recent.update((key, delta.values[key]) for key in delta.between(start, stop))
        present = sorted([key for key, value in recent.items() if value is not None])
        position = 0
        with halting(self._reader.path):
            swept = self._connection.execute(
                "SELECT key FROM state WHERE key >= ? AND key < ? ORDER BY key", (start, stop)
            )
            for (key,) in swept:
                if key in recent:
                    continue
                while position < len(present) and present[position] < key:
                    yield present[position]
                    position += 1
                yield key
        yield from present[position:]

    def block(self, height: int) -> StoredBlock | None:
        """The block of a height, or None where there is none."""
        blocks = self.blocks(height - 1, 1)
        return blocks[0] if blocks and blocks[0].height == height else None

    def blocks(self, after: int, limit: int) -> list[StoredBlock]:
        """Up to ``limit`` blocks above the height ``after`` (-1: from the founding), ascending."""
        with halting(self._reader.path):
            rows = self._connection.execute(
                f"SELECT {BLOCK_COLUMNS} FROM blocks WHERE height > ? ORDER BY height LIMIT ?", (after, limit)
            )
            return [stored_block(row) for row in rows]

    def leaves(self, height: int) -> tuple[Leaf, ...]:
        """The leaves of a block; none where there is no such block."""
        with halting(self._reader.path):
            return read_leaves(self._connection, height)

    def find_transaction(self, identity: bytes) -> Location | None:
        """Where the leaf of a transaction, envelope or due item is, or None."""
        recent = (place for delta in self._deltas for place in delta.find(identity))
        with halting(self._reader.path):
            return locate(self._connection, identity, recent)

    def history_hashes(self, start: int, stop: int) -> list[bytes]:
        """The leaf hashes of the history log at the positions from ``start`` up to but without ``stop``."""
        with halting(self._reader.path):
            rows = self._connection.execute(
                "SELECT record_hash FROM history WHERE position >= ? AND position < ? ORDER BY position",
                (start, stop),
            )
            return [bytes(record_hash) for (record_hash,) in rows]

    def tree(self) -> StateTree:
        """The state tree, for proofs: built anew, which takes seconds where there are a million keys."""
        with halting(self._reader.path):
            return read_tree(self._connection, self._head, [delta.delta for delta in reversed(self._deltas)])

    def close(self) -> None:
        """End the snapshot. Once is enough."""
        connection, self._open = self._open, None
        if connection is not None:
            with halting(self._reader.path):
                self._reader.end(connection, self._meta)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
