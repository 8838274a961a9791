"""A disk in memory that remembers which changes a power cut may still undo.

Every file has two contents: the cached one, which programs read, and the durable one, which is all a power
cut is bound to leave. Changes lie between the two until the file is synced. Names live in directories with
the same two layers: creating, deleting and renaming become durable when the directory is synced, as POSIX
leaves it to be.
"""

from __future__ import annotations

import enum
import posixpath
import random
from dataclasses import dataclass, field

SMALLEST_SECTOR = 512


class CutMode(enum.Enum):
    """What a power cut does to unsynced changes, independently for each file and directory."""

    DROP = "drop"
    """A prefix of the changes survives (none and all of them included), the rest is lost."""
    REORDER = "reorder"
    """Any subset survives and is applied in any order; changes of names keep their order."""
    TEAR = "tear"
    """As REORDER, and of each surviving write only some sectors (512 bytes or the disk's own) survive."""
    GARBLE = "garble"
    """As TEAR, and a touched sector may read back as noise, synced bytes next to the write included.

    SQLite promises to survive this if the VFS does not claim SQLITE_IOCAP_POWERSAFE_OVERWRITE and the page
    size is a multiple of the sector size (sqlite.org/psow.html).
    """


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes put at an offset."""

    offset: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """A file set to a length in bytes, shorter or longer (then filled with zeros)."""

    size: int


Change = Write | Truncate


def _apply(content: bytearray, change: Change) -> None:
    """Changes `content` in place; a gap before the change is filled with zeros."""
    if isinstance(change, Truncate):
        del content[change.size :]
        content.extend(bytes(change.size - len(content)))
        return
    content.extend(bytes(max(0, change.offset - len(content))))
    content[change.offset : change.offset + len(change.content)] = change.content


class DiskFile:
    """One file's contents; its name is the directory's business, so an open file outlives its deletion."""

    def __init__(self, content: bytes = b"") -> None:
        self.cached = bytearray(content)
        self.durable = bytearray(content)
        self.unsynced: list[Change] = []

    def size(self) -> int:
        """The length in bytes that programs see."""
        return len(self.cached)

    def read(self, amount: int, offset: int) -> bytes:
        """At most `amount` bytes; fewer at the end of the file."""
        return bytes(self.cached[offset : offset + amount])

    def change(self, change: Change) -> None:
        """Applies a change to the cached content; it stays undoable until the next sync."""
        _apply(self.cached, change)
        self.unsynced.append(change)

    def sync(self) -> None:
        """Makes every change so far durable."""
        for change in self.unsynced:
            _apply(self.durable, change)
        self.unsynced.clear()

    def forget_unsynced(self) -> None:
        """What a failed sync may do on Linux: the changes stay readable but never reach the disk."""
        self.unsynced.clear()

    def copy(self) -> DiskFile:
        """An independent file in the same state."""
        twin = DiskFile()
        twin.cached, twin.durable = bytearray(self.cached), bytearray(self.durable)
        twin.unsynced = list(self.unsynced)
        return twin

    def after_cut(self, rng: random.Random, mode: CutMode, sector_bytes: int) -> DiskFile:
        """The file as found after the power came back."""
        content = bytearray(self.durable)
        for change in _survivors(self.unsynced, rng, mode):
            if isinstance(change, Write) and mode in (CutMode.TEAR, CutMode.GARBLE):
                _apply_torn(content, change, rng, mode, sector_bytes)
            else:
                _apply(content, change)
        return DiskFile(bytes(content))


def _survivors(unsynced: list[Change], rng: random.Random, mode: CutMode) -> list[Change]:
    """The changes that reached the disk, in the order in which they did."""
    if mode is CutMode.DROP:
        return unsynced[: rng.randint(0, len(unsynced))]
    likelihood = rng.random()
    survivors = [change for change in unsynced if rng.random() < likelihood]
    rng.shuffle(survivors)
    return survivors


def _apply_torn(
    content: bytearray, write: Write, rng: random.Random, mode: CutMode, sector_bytes: int
) -> None:
    """Applies the sectors of a write that survive; with GARBLE some of them as noise."""
    sector = rng.choice((SMALLEST_SECTOR, sector_bytes))
    end = write.offset + len(write.content)
    for start in range(write.offset - write.offset % sector, end, sector):
        fate = (
            rng.choice(("lost", "kept", "noise")) if mode is CutMode.GARBLE else rng.choice(("lost", "kept"))
        )
        low, high = max(start, write.offset), min(start + sector, end)
        if fate == "kept":
            _apply(content, Write(low, write.content[low - write.offset : high - write.offset]))
        elif fate == "noise":
            _apply(content, Write(start, rng.randbytes(max(high, min(start + sector, len(content))) - start)))


@dataclass(slots=True)
class _Directory:
    """Names of one directory; an unsynced entry is one atomic step (a rename changes two names at once)."""

    cached: dict[str, DiskFile] = field(default_factory=dict)
    durable: dict[str, DiskFile] = field(default_factory=dict)
    unsynced: list[dict[str, DiskFile | None]] = field(default_factory=list)

    def change(self, step: dict[str, DiskFile | None]) -> None:
        _rename_step(self.cached, step)
        self.unsynced.append(step)

    def sync(self) -> None:
        for step in self.unsynced:
            _rename_step(self.durable, step)
        self.unsynced.clear()


def _rename_step(names: dict[str, DiskFile], step: dict[str, DiskFile | None]) -> None:
    for path, file in step.items():
        if file is None:
            names.pop(path, None)
        else:
            names[path] = file


class Disk:
    """Files by absolute path in existing-by-default directories, with what a power cut would leave of them.

    `sector_bytes` is the largest unit a power cut can tear or garble. With `lies_about_sync` syncs report
    success and do nothing: a planted fault that shows whether a test would notice a loss.
    """

    def __init__(self, *, sector_bytes: int = 4096, lies_about_sync: bool = False) -> None:
        if sector_bytes % SMALLEST_SECTOR or sector_bytes <= 0:
            raise ValueError(f"a sector is a multiple of {SMALLEST_SECTOR} bytes, not {sector_bytes}")
        self.sector_bytes = sector_bytes
        self.lies_about_sync = lies_about_sync
        self._directories: dict[str, _Directory] = {}

    def _directory(self, path: str) -> _Directory:
        return self._directories.setdefault(posixpath.dirname(path), _Directory())

    def paths(self) -> list[str]:
        """The paths of all files that programs see, sorted."""
        return sorted(path for directory in self._directories.values() for path in directory.cached)

    def contents(self) -> dict[str, bytes]:
        """What programs read in each file, by path in order."""
        return {path: bytes(self.open(path).cached) for path in self.paths()}

    def used_bytes(self) -> int:
        """The sum of the sizes of all files that programs see."""
        return sum(f.size() for directory in self._directories.values() for f in directory.cached.values())

    def exists(self, path: str) -> bool:
        """Whether programs see a file of that path."""
        return path in self._directory(path).cached

    def open(self, path: str) -> DiskFile:
        """The file of that path; FileNotFoundError if there is none."""
        try:
            return self._directory(path).cached[path]
        except KeyError:
            raise FileNotFoundError(path) from None

    def create(self, path: str) -> DiskFile:
        """A new empty file; FileExistsError if the path is taken. Durable once synced with its directory."""
        if self.exists(path):
            raise FileExistsError(path)
        file = DiskFile()
        self._directory(path).change({path: file})
        return file

    def delete(self, path: str) -> None:
        """Removes the name; FileNotFoundError if there is none."""
        self.open(path)
        self._directory(path).change({path: None})

    def rename(self, old: str, new: str) -> None:
        """Moves a file to another name of its directory, over a file that is there, in one step.

        FileNotFoundError if there is no `old`; ValueError across directories.
        """
        if posixpath.dirname(old) != posixpath.dirname(new):
            raise ValueError(f"{old} and {new} are not in one directory")
        file = self.open(old)
        if old != new:
            self._directory(old).change({old: None, new: file})

    def sync(self, file: DiskFile) -> None:
        """Makes the content of a file durable, but not its name."""
        if not self.lies_about_sync:
            file.sync()

    def sync_directory(self, path: str) -> None:
        """Makes the names in the directory that holds `path` durable."""
        if not self.lies_about_sync:
            self._directory(path).sync()

    def copy(self) -> Disk:
        """An independent disk in the same state, unsynced changes included.

        This is what a killed process leaves behind: the operating system still has its writes.
        """
        twins: dict[int, DiskFile] = {}

        def twin(file: DiskFile) -> DiskFile:
            return twins.setdefault(id(file), file.copy())

        disk = Disk(sector_bytes=self.sector_bytes, lies_about_sync=self.lies_about_sync)
        for name, directory in self._directories.items():
            disk._directories[name] = _Directory(
                {path: twin(file) for path, file in directory.cached.items()},
                {path: twin(file) for path, file in directory.durable.items()},
                [{path: file and twin(file) for path, file in step.items()} for step in directory.unsynced],
            )
        return disk

    def power_cut(self, rng: random.Random, mode: CutMode) -> Disk:
        """The disk as found after a power cut now; this one stays as it is."""
        disk = Disk(sector_bytes=self.sector_bytes, lies_about_sync=self.lies_about_sync)
        for name, directory in sorted(self._directories.items()):
            names = dict(directory.durable)
            for step in _surviving_steps(directory.unsynced, rng, mode):
                _rename_step(names, step)
            files = {
                path: file.after_cut(rng, mode, self.sector_bytes) for path, file in sorted(names.items())
            }
            disk._directories[name] = _Directory(files, dict(files))
        return disk


def _surviving_steps(
    unsynced: list[dict[str, DiskFile | None]], rng: random.Random, mode: CutMode
) -> list[dict[str, DiskFile | None]]:
    """The changes of names that reached the disk; their order is kept, since each name has one last owner."""
    if mode is CutMode.DROP:
        return unsynced[: rng.randint(0, len(unsynced))]
    likelihood = rng.random()
    return [step for step in unsynced if rng.random() < likelihood]
