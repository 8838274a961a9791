"""The writer: implements the kernel's `Store` over SQLite, one transaction per block.

Between two commits the store on disk is exactly one block; a commit that fails, or a machine that stops, leaves the block
before it or, if the failure came after the sync, the block itself. One `LedgerStore` per database at a time: the data
directory's lock sees to that.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from os import PathLike, fspath

import apsw

from traco.kernel.codec import ROOT, encode
from traco.kernel.errors import Halt
from traco.kernel.genesis import network_id, parse_genesis
from traco.kernel.merkle import Frontier
from traco.kernel.receipt import Leaf
from traco.kernel.statetree import StateTree
from traco.kernel.store import CommittedBlock, LoadedLedger
from traco.storage.database import (
    CHECKPOINT_PAGES,
    FOUNDING,
    is_founded,
    open_writer,
    read_base,
    read_meta,
    require_network,
)
from traco.storage.errors import StoreStopped, halting
from traco.storage.index import Location, locate, read_leaves
from traco.storage.loading import read_deltas, read_head, read_inherited, read_tree, read_used
from traco.storage.rows import (
    INSERT_BLOCK,
    block_row,
    delta_of,
    first_empty_column,
    index_entries,
)
from traco.storage.schema import FORMAT, SWEEP_BLOCKS, TABLES
from traco.storage.sweep import Pending, write_entries, write_rows


class LedgerStore:
    """The store of one ledger. Every method raises ``StorageHalt`` for what the medium does.

    ``network``: refuse a store of another network (``OtherNetwork``); None takes any. ``vfs`` names another SQLite VFS.
    ``checkpoint_pages``: how long the log may grow before a commit moves it into the database.
    ``durable`` False leaves out every sync: only for copies that are thrown away, such as an audit's.
    """

    def __init__(
        self, path: str | PathLike[str], network: bytes | None = None, ledger: bytes = ROOT, *,
        vfs: str | None = None, durable: bool = True, checkpoint_pages: int = CHECKPOINT_PAGES,
    ) -> None:  # fmt: skip
        self.path = fspath(path)
        self._network = network
        self._ledger = ledger
        self._opening = partial(open_writer, self.path, vfs, durable, checkpoint_pages)
        self._open()

    def _open(self) -> None:
        self._height = -1  # -1: not founded
        self._base = FOUNDING
        self._pending = Pending()
        self._history = Frontier()
        self._stopped = False
        with halting(self.path):
            self._connection = self._opening()
            try:
                if is_founded(self._connection):
                    meta = read_meta(self._connection, self.path)
                    require_network(meta, self.path, self._network, self._ledger)
                    self._base = read_base(meta)
                    self._resume()
            except BaseException:
                self._connection.close(True)
                raise

    def replace(self, swap: Callable[[], None]) -> None:
        """Close the store, have ``swap`` put another file in its place, and open that. Then load anew.

        Raises what ``swap`` raises; whatever happens, the store is open afterwards unless opening itself fails.
        """
        self.close()
        self._stopped = True
        try:
            swap()
        finally:
            self._open()

    def _resume(self) -> None:
        head = read_head(self._connection)
        self._height, self._history = head.height, head.history
        # Going through the sweeps since then again leaves what they have not written yet.
        for height, delta in read_deltas(self._connection):
            self._pending.add(delta, height)
            self._pending.take(height)

    @property
    def first_height(self) -> int:
        """The height that the store begins with: 0, the founding; or that of the snapshot that it was made from."""
        return self._base.height

    def close(self) -> None:
        """Close the database. What was committed is durable already."""
        with halting(self.path):
            self._connection.close()

    def load(self) -> LoadedLedger | None:
        """The last committed state, or None where nothing was founded."""
        if self._height < 0:
            return None
        with halting(self.path), self._transaction("BEGIN"):
            head = read_head(self._connection)
            deltas = [delta for _, delta in read_deltas(self._connection)]
            tree = read_tree(self._connection, head, deltas)
            used = list(read_used(self._connection, head.time_ms))
            inherited = list(read_inherited(self._connection, head.time_ms))
        return LoadedLedger(head.height, head.time_ms, head.app_hash, tree, head.history, used, inherited)

    def leaves(self, height: int) -> tuple[Leaf, ...]:
        """The leaves of a committed block; none where there is no such block."""
        with halting(self.path):
            return read_leaves(self._connection, height) if self._height >= 0 else ()

    def find_transaction(self, identity: bytes) -> Location | None:
        """Where the leaf of a committed transaction, envelope or due item is, or None."""
        if self._height < 0:
            return None
        with halting(self.path):
            return locate(self._connection, identity, self._pending.find(identity))

    def found(self, genesis: bytes, block: CommittedBlock, tree: StateTree) -> None:
        """Make the founding durable: the genesis document and block 0. Raises ``Halt`` on a founded store."""
        if self._height >= 0:
            raise Halt(f"the store {self.path} was founded before")
        meta = {
            "format": FORMAT.to_bytes(1, "big"),
            "network": network_id(parse_genesis(genesis)),
            "ledger": self._ledger,
            "genesis": genesis,
        }
        with self._durably():
            self._connection.execute(TABLES)
            for name, value in meta.items():
                self._connection.execute("INSERT INTO meta VALUES (?, ?)", (name, value))
            # The founding may be large; it goes where it belongs at once, so that no delta has to hold it.
            delta = delta_of(block, tree)
            write_rows(self._connection, tree, dict(enumerate(delta.rows)))
            write_entries(self._connection, index_entries(delta.id_prefixes, block.height))
            self._write_block(block, tree)
        self._height = block.height

    def commit(self, block: CommittedBlock, tree: StateTree) -> None:
        """Make a block durable, all of it or nothing; ``tree`` has its changes applied already.

        Raises ``Halt`` for a block that is not the next. After any other error the store must be opened again.
        """
        if self._height < 0 or block.height != self._height + 1:
            raise Halt(f"block {block.height} cannot follow block {self._height} in the store {self.path}")
        with self._durably():
            delta = delta_of(block, tree)
            self._pending.add(delta, block.height)
            rows, entries = self._pending.take(block.height)
            write_rows(self._connection, tree, rows)
            write_entries(self._connection, entries)
            self._connection.execute("DELETE FROM delta WHERE height <= ?", (block.height - SWEEP_BLOCKS,))
            self._connection.execute("INSERT INTO delta VALUES (?, ?)", (block.height, encode(delta)))
            self._write_block(block, tree)
        self._height = block.height

    def _write_block(self, block: CommittedBlock, tree: StateTree) -> None:
        if block.record_hash:
            position = self._history.size
            self._history.append(block.record_hash)
            self._connection.execute("INSERT INTO history VALUES (?, ?)", (position, block.record_hash))
        self._connection.execute(INSERT_BLOCK, block_row(block))
        self._connection.execute(
            "INSERT INTO head VALUES (1, ?, ?, ?, ?) ON CONFLICT (one) DO UPDATE SET height = excluded.height,"
            " slot_count = excluded.slot_count, first_empty = excluded.first_empty, frontier = excluded.frontier",
            (
                block.height,
                tree.slot_count,
                first_empty_column(tree.first_empty),
                encode(self._history.encode()),
            ),
        )

    @contextmanager
    def _durably(self) -> Iterator[None]:
        """One transaction that is durable at the end. What goes wrong inside stops the store: memory is ahead then."""
        if self._stopped:
            raise StoreStopped(self.path)
        self._stopped = True
        with halting(self.path), self._transaction("BEGIN IMMEDIATE"):
            yield
        self._stopped = False

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        self._connection.execute(begin)
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # SQLite may have rolled back itself. If it cannot now, closing the connection does.
            with suppress(apsw.Error):
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            raise
