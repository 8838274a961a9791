"""Where a ledger is durable: one SQLite database per ledger, one transaction of it per block.

`LedgerStore` is the writer that the kernel drives; `SnapshotReader` gives other readers committed snapshots; `differences`
compares a store with one rebuilt from its envelopes; `DirectoryLock` keeps a second process out. Not for
projections, which are derived from committed blocks and live elsewhere.
"""

from traco.storage.compare import Difference, check_pages, differences
from traco.storage.errors import (
    DiskFull,
    MediumFailed,
    NewerFormat,
    OtherNetwork,
    StorageHalt,
    StoreDamaged,
    StoreLocked,
    StoreStopped,
)
from traco.storage.index import Location
from traco.storage.ledger_store import LedgerStore
from traco.storage.lock import DirectoryLock
from traco.storage.rows import StoredBlock
from traco.storage.snapshot import ReadSnapshot, SnapshotReader

__all__ = [
    "Difference",
    "DirectoryLock",
    "DiskFull",
    "LedgerStore",
    "Location",
    "MediumFailed",
    "NewerFormat",
    "OtherNetwork",
    "ReadSnapshot",
    "SnapshotReader",
    "StorageHalt",
    "StoreDamaged",
    "StoreLocked",
    "StoreStopped",
    "StoredBlock",
    "check_pages",
    "differences",
]
