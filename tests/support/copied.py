"""Snapshots of stored ledgers, taken and restored without a node."""

from pathlib import Path

from support.ledger import Key, Ledger
from support.stored_ledger import BANK_ID, StoredLedger, genesis
from traco.kernel.errors import Failure
from traco.kernel.genesis import write_genesis
from traco.kernel.state import State
from traco.modules.composition import compose
from traco.storage import LedgerStore, SnapshotReader
from traco.storage.copying.form import SnapshotHead, Terms, terms_of
from traco.storage.copying.restoring import Restoring, verify_head
from traco.storage.copying.shelf import Shelf
from traco.storage.copying.taking import Pinned, remove_aside, write_snapshot

GENESIS = write_genesis(genesis())


def take(ledger: Path, shelf: Shelf, terms: Terms) -> SnapshotHead:
    """Take a snapshot of the ledger's last height."""
    shelf.folder.mkdir(exist_ok=True)
    aside = shelf.folder / "aside.db"
    pinned = Pinned(ledger, aside)
    try:
        pinned.set_aside()
    finally:
        pinned.close()
    try:
        return write_snapshot(ledger, aside, pinned.height, terms, shelf)
    finally:
        remove_aside(aside)


def snapshot_of(ledger: StoredLedger, folder: Path) -> tuple[Shelf, SnapshotHead]:
    """A shelf with a snapshot of the ledger's last height."""
    shelf = Shelf(folder)
    return shelf, take(ledger.path, shelf, terms_of(State(ledger.ledger.application.tree)))


def restored(shelf: Shelf, head: SnapshotHead, app_hash: bytes, path: Path) -> LedgerStore:
    """The store that the snapshot's pieces make."""
    raw = shelf.head(head.height)
    assert raw is not None
    making = Restoring(path, verify_head(raw, GENESIS, app_hash), GENESIS)
    for index in sorted(making.missing, reverse=True):
        piece = shelf.piece(head.height, index)
        assert piece is not None
        making.add(index, piece)
    making.finish()
    return LedgerStore(path)


class Copied:
    """A ledger, a snapshot of it, and the ledger restored from that."""

    def __init__(self, folder: Path, blocks: int = 60) -> None:
        (folder / "node").mkdir()
        self.original = StoredLedger(folder / "node")
        self.original.trade(blocks, 5)
        self.shelf, self.head = snapshot_of(self.original, folder / "snapshots")
        self.app_hash = self.original.ledger.application.info().app_hash
        self.store = restored(self.shelf, self.head, self.app_hash, folder / "restored.db")
        self.ledger = Ledger(genesis(), compose(), BANK_ID, Key("bank node"), self.store)

    def close(self) -> None:
        """Close both stores."""
        self.original.close()
        self.store.close()

    def follow(self) -> list[Failure | None]:
        """Execute the original's last block on the restored ledger; what became of its transactions."""
        snapshot = SnapshotReader(self.original.path).snapshot()
        assert snapshot is not None
        with snapshot:
            block = snapshot.block(snapshot.height)
        assert block is not None
        done = self.ledger.application.finalize_block(block.height, block.time_ms, block.envelopes)
        self.ledger.application.commit()
        return [answer.failure for envelope in done.answers for answer in envelope.transactions]
