"""The writer: implements the kernel's `Store` over SQLite, one transaction per block.

Between two commits the store on disk is exactly one block; a commit that fails, or a machine that stops, leaves the block
before it or, if the failure came after the sync, the block itself. One `LedgerStore` per database at a time: the data
directory's lock sees to that.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike, fspath

import apsw

from traco.kernel.codec import ROOT, encode
from traco.kernel.errors import Halt
from traco.kernel.genesis import network_id, parse_genesis
from traco.kernel.merkle import Frontier
from traco.kernel.statetree import StateTree
from traco.kernel.store import CommittedBlock, LoadedLedger
from traco.storage.database import is_founded, open_writer, read_meta, require_network
from traco.storage.errors import StoreStopped, halting
from traco.storage.loading import read_deltas, read_head, read_tree, read_used
from traco.storage.rows import (
    INSERT_BLOCK,
    block_row,
    delta_of,
    first_empty_column,
    index_entries,
)
from traco.storage.schema import FORMAT, PREFIX_BYTES, SWEEP_BLOCKS, TABLES
from traco.storage.sweep import Pending, write_entries, write_slots


class LedgerStore:
    """The store of one ledger. Every method raises ``StorageHalt`` for what the medium does.

    ``network``: refuse a store of another network (``OtherNetwork``); None takes any. ``vfs`` names another SQLite VFS.
    ``durable`` False leaves out every sync: only for copies that are thrown away, such as an audit's.
    """

    def __init__(
        self, path: str | PathLike[str], network: bytes | None = None, ledger: bytes = ROOT, *,
        vfs: str | None = None, durable: bool = True,
    ) -> None:  # fmt: skip
        self.path = fspath(path)
        self._ledger = ledger
        self._height = -1  # -1: not founded
        self._pending = Pending()
        self._history = Frontier()
        self._stopped = False
        with halting(self.path):
            self._connection = open_writer(self.path, vfs, durable)
            try:
                if is_founded(self._connection):
                    meta = read_meta(self._connection, self.path)
                    require_network(meta, self.path, network, ledger)
                    self._resume()
            except BaseException:
                self._connection.close(True)
                raise

    def _resume(self) -> None:
        head = read_head(self._connection)
        self._height, self._history = head.height, head.history
        # What was swept meanwhile is written once more, unchanged; a fresh store would not have it pending, and
        # both must write the same rows. They do, since a sweep writes what the tree has.
        for height, delta in read_deltas(self._connection):
            self._pending.add_slots(_unswept(delta.slots, height, head.height))
            self._pending.add_entries(index_entries(delta.id_prefixes, height))

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
        return LoadedLedger(head.height, head.time_ms, head.app_hash, tree, head.history, used)
