"""An apsw VFS that puts SQLite on a simulated disk.

A store under test needs one parameter: the name of the VFS, passed to `apsw.Connection(path, vfs=name)`;
paths are taken as they are, nothing of the database touches the real disk. WAL mode, readers beside the
writer and several connections work as on a real file: apsw cannot implement shared memory in Python, but a
file that inherits from the default VFS keeps its locks and its shared memory, so each database has an empty
stand-in file in a temporary directory that provides both and is thrown away with the machine. Shared memory
and locks do not survive a power cut anyway. `PRAGMA locking_mode=EXCLUSIVE` is therefore not needed.

Not simulated: memory-mapped reads (refused, SQLite then reads normally) and other processes.
"""

from __future__ import annotations

import contextlib
import posixpath
import tempfile
import threading
from types import TracebackType
from typing import Self, cast

import apsw

from faults.disk import Change, Disk, DiskFile, Truncate, Write
from faults.schedule import Faults, Operation, PowerCut, sqlite_error

_JOURNALS = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL | apsw.SQLITE_OPEN_WAL


class SimulatedVFS(apsw.VFS):
    """One machine, from power on to power off: a disk, the faults to come, and a VFS name for SQLite.

    Use as a context manager. Leaving it switches the machine off and closes all connections opened on it
    without letting them write; the disk stays as the program left it. A PowerCut raised inside is not
    swallowed. Start a new machine on the same disk for a killed process, on `disk.power_cut(...)` for a
    lost one.

    `powersafe_overwrite`: claim SQLITE_IOCAP_POWERSAFE_OVERWRITE, as SQLite's Unix VFS does; then do not use
    CutMode.GARBLE, which breaks that promise.
    """

    _machines = 0

    def __init__(self, disk: Disk, *, powersafe_overwrite: bool = False) -> None:
        SimulatedVFS._machines += 1
        self.name = f"simulated-{SimulatedVFS._machines}"
        self.disk = disk
        self.faults = Faults()
        self.characteristics = apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE if powersafe_overwrite else 0
        self.turn = threading.RLock()
        self._connections: list[apsw.Connection] = []
        self._stand_ins = tempfile.TemporaryDirectory(prefix="simulated-disk-")
        self._stand_in_paths: dict[str, str] = {}
        super().__init__(self.name, "")

    def __enter__(self) -> Self:
        apsw.connection_hooks.append(self._keep)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.faults.power_off()
        apsw.connection_hooks.remove(self._keep)
        for connection in self._connections:
            with contextlib.suppress(PowerCut, apsw.Error):
                connection.close(True)
        self._connections.clear()
        self.unregister()
        self._stand_ins.cleanup()

    def _keep(self, connection: apsw.Connection) -> None:
        # A connection that is collected while the power is off would report its PowerCut as unraisable.
        if connection.open_vfs == self.name:
            self._connections.append(connection)

    def stand_in(self, path: str) -> str:
        """The real path of the empty file whose locks and shared memory serve the database of that path."""
        number = len(self._stand_in_paths)
        return self._stand_in_paths.setdefault(path, posixpath.join(self._stand_ins.name, f"{number}"))

    def xFullPathname(self, name: str) -> str:
        """The path as the disk knows it; a relative one starts at the root."""
        return posixpath.normpath(posixpath.join("/", name))

    def xAccess(self, pathname: str, flags: int) -> bool:
        """Whether the file exists; whatever exists can be read and written."""
        with self.turn:
            return self.disk.exists(pathname)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        """A file of the disk, created if SQLite asks for it; without a name one that nothing else sees."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        wanted = flags[0]
        with self.turn:
            content = DiskFile() if path is None else self._find(path, wanted)
        flags[1] = wanted
        if path is not None and wanted & apsw.SQLITE_OPEN_MAIN_DB:
            return DatabaseFile(self, content, path, wanted)
        # apsw asks only for the methods that SQLite calls, which for a journal are those of SimulatedFile.
        return cast(apsw.VFSFile, SimulatedFile(self, content, path, bool(wanted & _JOURNALS)))

    def _find(self, path: str, flags: int) -> DiskFile:
        if self.disk.exists(path):
            return self.disk.open(path)
        if not flags & apsw.SQLITE_OPEN_CREATE:
            raise sqlite_error(apsw.SQLITE_CANTOPEN, f"{path} does not exist")
        cut = self.faults.cuts_power(Operation.CREATE)
        if not cut and self.faults.fails(Operation.CREATE):
            raise self.faults.error(Operation.CREATE)
        content = self.disk.create(path)
        if cut:
            raise PowerCut(f"creating {path}")
        return content

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """Deletes a file; the deletion is durable only if SQLite asks for that."""
        with self.turn:
            if not self.disk.exists(filename):
                raise sqlite_error(apsw.SQLITE_IOERR_DELETE_NOENT, f"{filename} does not exist")
            cut = self.faults.cuts_power(Operation.DELETE)
            if not cut and self.faults.fails(Operation.DELETE):
                raise self.faults.error(Operation.DELETE)
            self.faults.take_space(-self.disk.open(filename).size())
            self.disk.delete(filename)
            if cut:
                raise PowerCut(f"deleting {filename}")
            if syncdir:
                self.disk.sync_directory(filename)


class SimulatedFile:
    """An open file; `syncs_directory`: at the first sync, as SQLite's Unix VFS does for a new journal."""

    def __init__(
        self, machine: SimulatedVFS, content: DiskFile, path: str | None, syncs_directory: bool
    ) -> None:
        self._machine = machine
        self._faults = machine.faults
        self._content = content
        self._path = path
        self._syncs_directory = syncs_directory

    def xRead(self, amount: int, offset: int) -> bytes:
        """The bytes there are; apsw fills up with zeros and tells SQLite that the read was short."""
        with self._machine.turn:
            self._faults.counts[Operation.READ] += 1
            if self._faults.fails(Operation.READ):
                raise self._faults.error(Operation.READ)
            return self._content.read(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        """Writes all of it, or raises after a part; a power cut may leave any of it."""
        content = bytes(data)
        with self._machine.turn:
            if self._faults.cuts_power(Operation.WRITE):
                self._cut(Write(offset, content))
            if self._faults.fails(Operation.WRITE):
                self._content.change(Write(offset, content[: len(content) // 2]))
                raise self._faults.error(Operation.WRITE)
            growth = max(0, offset + len(content) - self._content.size())
            missing = growth - self._faults.take_space(growth)
            if missing:
                kept = max(0, len(content) - missing)
                if kept:
                    self._content.change(Write(offset, content[:kept]))
                raise sqlite_error(apsw.SQLITE_FULL, f"simulated disk full, {missing} bytes short")
            self._content.change(Write(offset, content))

    def xTruncate(self, newsize: int) -> None:
        """Sets the length in bytes."""
        with self._machine.turn:
            if self._faults.cuts_power(Operation.TRUNCATE):
                self._cut(Truncate(newsize))
            if self._faults.fails(Operation.TRUNCATE):
                raise self._faults.error(Operation.TRUNCATE)
            self._faults.take_space(min(0, newsize - self._content.size()))
            self._content.change(Truncate(newsize))

    def xSync(self, flags: int) -> None:
        """Makes the content durable, at the first sync of a journal also its name."""
        with self._machine.turn:
            if self._faults.cuts_power(Operation.SYNC):
                raise PowerCut(f"syncing {self._path}")
            if self._faults.fails(Operation.SYNC):
                if self._faults.failed_sync_forgets:
                    self._content.forget_unsynced()
                raise self._faults.error(Operation.SYNC)
            self._machine.disk.sync(self._content)
            if self._syncs_directory and self._path is not None:
                self._machine.disk.sync_directory(self._path)
                self._syncs_directory = False

    def _cut(self, change: Change) -> None:
        """The change was under way when the power failed: it may survive, whole or in part."""
        self._content.change(change)
        raise PowerCut(f"changing {self._path}")

    def xFileSize(self) -> int:
        """The length in bytes."""
        with self._machine.turn:
            return self._content.size()

    def xFileControl(self, op: int, ptr: int) -> bool:
        """No operation is understood: SQLite takes its default, in particular no memory map."""
        return False

    def xSectorSize(self) -> int:
        """The largest unit in bytes that a power cut can damage."""
        return self._machine.disk.sector_bytes

    def xDeviceCharacteristics(self) -> int:
        """No atomic writes, no safe appends; powersafe overwrites only if the machine claims them."""
        return self._machine.characteristics

    def xClose(self) -> None:
        """Nothing to give back: the content belongs to the disk."""


class DatabaseFile(SimulatedFile, apsw.VFSFile):
    """A main database: content on the simulated disk, locks and shared memory on its stand-in."""

    def __init__(self, machine: SimulatedVFS, content: DiskFile, path: str, flags: int) -> None:
        SimulatedFile.__init__(self, machine, content, path, syncs_directory=False)
        apsw.VFSFile.__init__(self, "", machine.stand_in(path), [flags | apsw.SQLITE_OPEN_CREATE, 0])

    def xClose(self) -> None:
        """Gives back locks and shared memory."""
        apsw.VFSFile.xClose(self)
