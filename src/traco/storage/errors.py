"""Why a store stops the node, and the one place where errors of SQLite become errors of ours.

    Halt (kernel)
    └── StorageHalt
        ├── DiskFull        storage.disk_full      no space for the block
        ├── MediumFailed    storage.io_error       reading, writing or syncing failed
        ├── StoreDamaged    storage.damaged        what is stored cannot be what was written
        ├── NewerFormat     storage.newer_format   written by a later release
        ├── OtherNetwork    storage.other_network  founded from another genesis, or for another ledger
        ├── StoreLocked     storage.locked         another process has the data directory
        └── StoreStopped    storage.stopped        an earlier commit failed; open the store again

A block whose commit raised is not acknowledged. Whether it is there shows when the store is opened again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import apsw

from traco.kernel.errors import Halt
from traco.storage.medium import reason_of


class StorageHalt(Halt):
    """Base of what stops a node for its storage: a stable ``code`` and two sentences over the fields."""

    code: ClassVar[str]
    says: ClassVar[str]
    advice: ClassVar[str]

    def __str__(self) -> str:
        shown = {
            name: value.hex() if isinstance(value, bytes) else value for name, value in vars(self).items()
        }
        return f"{self.code}: {self.says.format(**shown)} {self.advice.format(**shown)}"


@dataclass(eq=False)
class DiskFull(StorageHalt):
    """There is no space left for what was to be written."""

    code: ClassVar[str] = "storage.disk_full"
    says: ClassVar[str] = "The disk of {path} is full; the last block was not committed."
    advice: ClassVar[str] = "Make space and start the node again; nothing acknowledged is lost."
    path: str


@dataclass(eq=False)
class MediumFailed(StorageHalt):
    """The disk or the file system refused to read, write or sync."""

    code: ClassVar[str] = "storage.io_error"
    says: ClassVar[str] = "Reading or writing {path} failed: {reason}."
    advice: ClassVar[str] = (
        "Check the disk, its space and the file's permissions, restart the machine if the disk reported errors, "
        "and start the node again; nothing acknowledged is lost."
    )
    path: str
    reason: str


@dataclass(eq=False)
class StoreDamaged(StorageHalt):
    """The content cannot be what this software wrote."""

    code: ClassVar[str] = "storage.damaged"
    says: ClassVar[str] = "The store {path} is damaged: {reason}."
    advice: ClassVar[str] = "Restore it from a backup, or rebuild it from another node's blocks."
    path: str
    reason: str


@dataclass(eq=False)
class NewerFormat(StorageHalt):
    """The store has a format that only a later release knows."""

    code: ClassVar[str] = "storage.newer_format"
    says: ClassVar[str] = "The store {path} has format {found}; this release knows formats up to {supported}."
    advice: ClassVar[str] = "Start it with the release that wrote it, or a later one."
    path: str
    found: int
    supported: int


@dataclass(eq=False)
class OtherNetwork(StorageHalt):
    """The store was founded from another genesis, or for another ledger of the network."""

    code: ClassVar[str] = "storage.other_network"
    says: ClassVar[str] = (
        "The store {path} belongs to network {network}, ledger '{ledger}', not to the one given."
    )
    advice: ClassVar[str] = "Check which genesis document and which data directory belong together."
    path: str
    network: bytes
    ledger: bytes


@dataclass(eq=False)
class StoreLocked(StorageHalt):
    """Another process uses the data directory."""

    code: ClassVar[str] = "storage.locked"
    says: ClassVar[str] = "The data directory {path} is in use by process {pid}."
    advice: ClassVar[str] = "Stop that node first, or give this one a directory of its own."
    path: str
    pid: int


@dataclass(eq=False)
class StoreStopped(StorageHalt):
    """An earlier commit failed, so memory and disk may differ."""

    code: ClassVar[str] = "storage.stopped"
    says: ClassVar[str] = "The store {path} stopped when an earlier commit failed."
    advice: ClassVar[str] = "Close it and open it again; it then shows the last durable block."
    path: str


@contextmanager
def halting(path: str) -> Iterator[None]:
    """Raise what SQLite raises inside as ``StorageHalt``, with the original as its cause."""
    try:
        yield
    except apsw.FullError as error:
        raise DiskFull(path) from error
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise StoreDamaged(path, str(error)) from error
    except apsw.Error as error:
        raise MediumFailed(path, reason_of(error, path)) from error
    except ValueError as error:
        # Decoding, the tree and the history raise subclasses of it for what they did not write.
        raise StoreDamaged(path, f"what was read does not fit together ({error})") from error
