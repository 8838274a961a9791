"""Makes a snapshot of a ledger that goes on: the state is set aside at one height, then written at leisure.

    Pinned(...)        between two blocks: holds the height fast by a read transaction; well below a millisecond
    set_aside()        one statement of SQLite copies the tables of the state to a file of their own, without the
                       interpreter's lock; as long as it runs, the ledger's log cannot be reused
    write_snapshot()   all the rest, from that file and from blocks, which never change: in a process of low priority

Reading the state in many short transactions instead would need every change of the meantime, and the store keeps those
of the last `SWEEP_BLOCKS` blocks only: a slow reader would have to begin again and again.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from os import fspath
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw

from traco.kernel.codec import encode
from traco.kernel.merkle import Frontier
from traco.kernel.stateproof import END_OF_CHAIN, HEAD_SLOT
from traco.storage.copying.form import (
    PIECE_BYTES,
    IdsBlock,
    IdsPiece,
    SlotContent,
    SnapshotHead,
    SnapshotRefused,
    StatePiece,
    Terms,
    encode_head,
    piece_hash,
)
from traco.storage.copying.ranges import StateLevels, hashes_behind, leaf_of
from traco.storage.copying.shelf import HEAD_FILE, Shelf, piece_file
from traco.storage.database import Base, open_reader, read_base, read_meta
from traco.storage.errors import StoreDamaged, halting
from traco.storage.loading import decode_frontier, read_deltas
from traco.storage.rows import (
    BLOCK_COLUMNS,
    StoredBlock,
    decode_leaves,
    decode_link,
    decode_record,
    stored_block,
    unpack_row,
)

_SET_ASIDE: Final = (
    "CREATE TABLE state (slot INTEGER PRIMARY KEY, key BLOB, value BLOB NOT NULL) STRICT",
    "CREATE TABLE delta (height INTEGER PRIMARY KEY, changes BLOB NOT NULL) STRICT",
    "CREATE TABLE head (slot_count INTEGER NOT NULL, first_empty INTEGER, frontier BLOB NOT NULL) STRICT",
    "INSERT INTO main.head SELECT slot_count, first_empty, frontier FROM ledger.head",
    "INSERT INTO main.delta SELECT * FROM ledger.delta",
    "INSERT INTO main.state SELECT * FROM ledger.state",  # between tables of one form: record by record, unread
)
_SUCCESSORS: Final = (
    "CREATE TABLE successor (slot INTEGER PRIMARY KEY, next_key BLOB NOT NULL) STRICT",
    "INSERT INTO successor SELECT slot, lead(key, 1, x'') OVER (ORDER BY key) FROM state WHERE key IS NOT NULL",
)
_SLOT_OVERHEAD: Final = 12  # bytes of a slot in a piece beside its content
_BLOCK_OVERHEAD: Final = 192  # bytes of a block in a piece of ids beside its leaves
_PIECE_OVERHEAD: Final = 16_384  # more than a piece's proof has


class Pinned:
    """A ledger's state held at its last committed height. Make it between two blocks, and close it soon."""

    def __init__(self, ledger: str | Path, aside: str | Path, *, vfs: str | None = None) -> None:
        """``aside`` is the file to make. Raises ``StorageHalt``."""
        self._path = fspath(ledger)
        with halting(self._path):
            self._connection = apsw.Connection(fspath(aside), vfs=vfs)
            try:
                # The file is of no use after a crash, so nothing of it need be durable.
                self._connection.pragma("journal_mode", "off")
                self._connection.pragma("synchronous", "off")
                self._connection.wal_autocheckpoint(0)
                self._connection.execute("ATTACH ? AS ledger", (self._path,))
                self._connection.execute("BEGIN")
                self.height = int(self._connection.execute("SELECT height FROM ledger.head").get)
            except BaseException:
                self._connection.close(True)
                raise

    def set_aside(self) -> None:
        """Copy the tables of the state; for any thread, which holds up no other. Raises ``StorageHalt``."""
        with halting(self._path):
            for statement in _SET_ASIDE:
                self._connection.execute(statement)
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Let go of the height. Once is enough."""
        with halting(self._path):
            self._connection.close(True)


def write_snapshot(
    ledger: Path, aside: Path, height: int, terms: Terms, shelf: Shelf, goes_on: Callable[[], bool] = lambda: True,
    piece_bytes: int = PIECE_BYTES,
) -> SnapshotHead:  # fmt: skip
    """Write the snapshot of what was set aside at ``height`` onto the shelf.

    ``goes_on`` is asked between pieces, which are about as large as ``piece_bytes``. Raises ``SnapshotRefused`` (``snapshot.not_yet``, ``snapshot.given_up``),
    ``StoreDamaged`` where the state does not have the root that was committed, ``StorageHalt``, ``OSError``.
    """
    with (
        halting(str(ledger)),
        closing(open_reader(str(ledger), None)) as blocks,
        closing(apsw.Connection(str(aside))) as state,
        shelf.making(height) as folder,
    ):
        writer = _Writer(ledger, blocks, state, height, terms, folder, goes_on, piece_bytes)
        head = writer.write(shelf.edges())
        (folder / HEAD_FILE).write_bytes(encode_head(head))
    return head


class _Window(NamedTuple):
    """The first block record that counts, by height and position; and the time of the last one."""

    height: int
    position: int
    time_ms: int


class _Writer:
    """One snapshot in the making."""

    def __init__(
        self, path: Path, blocks: apsw.Connection, state: apsw.Connection, height: int, terms: Terms, folder: Path,
        goes_on: Callable[[], bool], piece_bytes: int,
    ) -> None:  # fmt: skip
        self._path = path
        self._room = max(1, piece_bytes - min(_PIECE_OVERHEAD, piece_bytes // 2))
        self._blocks = blocks
        self._state = state
        self._terms = terms
        self._folder = folder
        self._goes_on = goes_on
        self._hashes: list[bytes] = []
        self._meta = read_meta(blocks, str(path))
        row = blocks.execute(f"SELECT {BLOCK_COLUMNS} FROM blocks WHERE height = ?", (height,)).fetchone()
        if row is None:
            raise SnapshotRefused("snapshot.not_yet", f"there is no block {height}")
        self._block: StoredBlock = stored_block(row)

    def write(self, edges: Sequence[tuple[int, tuple[bytes, ...]]]) -> SnapshotHead:
        """Write the pieces; the head that they are of. ``edges``: known edges of the history log, by its size."""
        block, window = self._block, self._window()
        edge = self._edge(window.position, edges)
        slot_count, first_empty, frontier = self._dimensions()
        self._bring_up_to_date()
        state_starts = self._write_state(slot_count, first_empty)
        id_starts = self._write_ids(window, edge)
        return SnapshotHead(
            self._meta["network"], self._meta["ledger"], block.height, window.time_ms, self._terms.protocol,
            block.state_root, slot_count, first_empty, block.history_size, frontier, self._terms.window_ms,
            state_starts, id_starts, tuple(self._hashes),
        )  # fmt: skip

    # The state

    def _dimensions(self) -> tuple[int, int, tuple[bytes, ...]]:
        row: Any = self._state.execute("SELECT slot_count, first_empty, frontier FROM head").fetchone()
        slot_count, first_empty, frontier = row
        return slot_count, END_OF_CHAIN if first_empty is None else first_empty, decode_frontier(frontier)

    def _bring_up_to_date(self) -> None:
        """Put what was not swept yet where it belongs, and note which key follows which."""
        changed = {
            row.slot: row for _, delta in read_deltas(self._state) for row in map(unpack_row, delta.rows)
        }
        changed.pop(HEAD_SLOT, None)  # it has neither key nor value
        with self._state:
            self._state.executemany(
                "INSERT INTO state VALUES (?, nullif(?, x''), ?)"
                " ON CONFLICT (slot) DO UPDATE SET key = excluded.key, value = excluded.value",
                changed.values(),
            )
            for statement in _SUCCESSORS:
                self._state.execute(statement)

    def _contents(self, start: int = 0, stop: int = 2**62) -> Iterator[SlotContent]:
        if start == HEAD_SLOT:
            least = self._state.execute("SELECT min(key) FROM state").get
            yield b"", b"" if least is None else bytes(least), b""
        rows = self._state.execute(
            "SELECT key, value, next_key FROM state LEFT JOIN successor USING (slot)"
            " WHERE slot >= ? AND slot < ? ORDER BY slot",
            (start, stop),
        )
        for key, value, next_key in rows:
            yield decode_link(value) if key is None else (key, next_key, value)

    def _write_state(self, slot_count: int, first_empty: int) -> tuple[int, ...]:
        leaves, starts = bytearray(), [0]
        room = self._room
        for slot, content in enumerate(self._contents()):
            size = _SLOT_OVERHEAD + (0 if isinstance(content, int) else sum(map(len, content)))
            if size > room and slot > starts[-1]:
                self._require_going_on()
                starts.append(slot)
                room = self._room
            room -= size
            leaves += leaf_of(slot, content)
        levels = StateLevels(bytes(leaves))
        if levels.slot_count != slot_count or levels.root(first_empty) != self._block.state_root:
            raise StoreDamaged(str(self._path), "its state does not have the root that was committed")
        for start, stop in zip(starts, [*starts[1:], slot_count], strict=True):
            slots = tuple(self._contents(start, stop))
            self._write(encode(StatePiece(start, slots, levels.prove(start, stop))))
        return tuple(starts)

    # The ids of the window

    def _window(self) -> "_Window":
        """From where on block records count: from the last one before the window, or from the founding."""
        base, height = read_base(self._meta), self._block.height
        last = self._recorded("height <= ?", height)
        if last is None:
            founded = self._blocks.execute("SELECT time_ms FROM blocks WHERE height = ?", (base.height,)).get
            return _Window(base.height, self._founded(base), int(founded))
        before = self._recorded("height <= ? AND time_ms <= ?", height, last.time_ms - self._terms.window_ms)
        return (
            _Window(base.height, self._founded(base), last.time_ms)
            if before is None
            else before._replace(time_ms=last.time_ms)
        )

    def _recorded(self, condition: str, *values: int) -> "_Window | None":
        """The last block with a record for which the condition holds."""
        row = self._blocks.execute(
            "SELECT height, history_size - 1, time_ms FROM blocks"
            f" WHERE record IS NOT NULL AND {condition} ORDER BY height DESC LIMIT 1",
            values,
        ).fetchone()
        return None if row is None else _Window(*row)

    def _founded(self, base: Base) -> int:
        if base.height > 0:
            raise SnapshotRefused(
                "snapshot.not_yet",
                f"this node's ledger begins at block {base.height}; it makes snapshots once a validity window has passed",
            )
        return base.size

    def _edge(self, size: int, edges: Sequence[tuple[int, tuple[bytes, ...]]]) -> Frontier:
        """The edge of the history log of the first ``size`` records, from the nearest one known."""
        base = read_base(self._meta)
        known = max(
            (each for each in ((base.size, base.frontier), *edges) if each[0] <= size),
            key=lambda each: each[0],
        )
        edge = Frontier.decode(*known)
        for record_hash in self._record_hashes(known[0], size):
            edge.append(record_hash)
        return edge

    def _record_hashes(self, start: int, stop: int) -> Iterator[bytes]:
        rows = self._blocks.execute(
            "SELECT record_hash FROM history WHERE position >= ? AND position < ? ORDER BY position",
            (start, stop),
        )
        return (record_hash for (record_hash,) in rows)

    def _write_ids(self, window: "_Window", edge: Frontier) -> tuple[int, ...]:
        first, size = window.position, self._block.history_size
        record_hashes = list(self._record_hashes(first, size))
        starts: list[int] = []
        position = first
        for blocks in self._id_blocks(window.height):
            self._require_going_on()
            stop = position + len(blocks)
            after = hashes_behind(size, stop, record_hashes, first)
            self._write(encode(IdsPiece(position, edge.encode(), blocks, after)))
            for record_hash in record_hashes[position - first : stop - first]:
                edge.append(record_hash)
            starts.append(position)
            position = stop
        return tuple(starts)

    def _id_blocks(self, first: int) -> Iterator[tuple[IdsBlock, ...]]:
        """The blocks with records from a height on, as many at a time as a piece takes."""
        collected: list[IdsBlock] = []
        room = self._room
        for each in self._recorded_from(first):
            size = _BLOCK_OVERHEAD + len(each.leaves)
            if size > room and collected:
                yield tuple(collected)
                collected, room = [], self._room
            room -= size
            collected.append(each)
        if collected:
            yield tuple(collected)

    def _recorded_from(self, first: int) -> Iterator[IdsBlock]:
        # Each block is a read of its own, so that the ledger's log is not held meanwhile.
        heights = self._blocks.execute(
            "SELECT height FROM blocks WHERE height >= ? AND height <= ? AND record IS NOT NULL ORDER BY height",
            (first, self._block.height),
        ).fetchall()
        for place in heights:
            row: Any = self._blocks.execute(
                "SELECT record, leaves FROM blocks WHERE height = ?", place
            ).fetchone()
            record, leaves = row
            ids = b"".join([leaf.identity + leaf.signatures for leaf in decode_leaves(leaves)])
            yield IdsBlock(decode_record(record), ids)

    # Writing

    def _write(self, raw: bytes) -> None:
        self._require_going_on()
        (self._folder / piece_file(len(self._hashes))).write_bytes(raw)
        self._hashes.append(piece_hash(raw))

    def _require_going_on(self) -> None:
        if not self._goes_on():
            raise SnapshotRefused("snapshot.given_up", "the node that wanted it has stopped")


def remove_aside(aside: Path) -> None:
    """Remove what was set aside; nothing happens where there is none."""
    with suppress(FileNotFoundError):
        aside.unlink()
