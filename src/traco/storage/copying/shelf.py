"""The snapshots that a node has: a folder with one folder for each, which appear whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from traco.storage.copying.form import SnapshotHead, SnapshotRefused, decode_head

HEAD_FILE: Final = "head"
KEPT: Final = 2
"""Snapshots kept: the newest, and the one before for nodes that are fetching it."""

_MAKING: Final = ".making"


def piece_file(index: int) -> str:
    """The name of the file with a piece."""
    return f"{index:05d}"


def sync_path(path: Path) -> None:
    """Have the content of a file, or the names in a folder, on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Shelf:
    """Snapshots by height. One process at a time adds to it; any may read."""

    def __init__(self, folder: Path, kept: int = KEPT) -> None:
        self.folder = folder
        self.kept = kept

    def heights(self) -> list[int]:
        """The heights of the snapshots that are there, newest first."""
        if not self.folder.is_dir():
            return []
        found = [int(path.name) for path in self.folder.iterdir() if path.name.isdecimal()]
        return sorted(found, reverse=True)

    def head(self, height: int) -> bytes | None:
        """The encoded head of a snapshot, or None where there is none."""
        return _read(self.folder / str(height) / HEAD_FILE)

    def piece(self, height: int, index: int) -> bytes | None:
        """A piece of a snapshot, or None where there is none."""
        return _read(self.folder / str(height) / piece_file(index))

    def heads(self) -> list[SnapshotHead]:
        """The heads of the snapshots that are there, newest first."""
        raws = [raw for raw in map(self.head, self.heights()) if raw is not None]
        return [decode_head(raw) for raw in raws]

    def edges(self) -> list[tuple[int, tuple[bytes, ...]]]:
        """The edges of the history log that the snapshots know, by its size."""
        return [(head.history_size, head.frontier) for head in self.heads()]

    @contextmanager
    def making(self, height: int) -> Iterator[Path]:
        """A folder to fill, which becomes the snapshot of this height; after an error it is gone.

        Older ones are removed but for so many as are kept.
        """
        target = self.folder / str(height)
        if target.exists():
            raise SnapshotRefused("snapshot.exists", f"there is one of block {height} already")
        made = self.folder / f"{height}{_MAKING}"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True, mode=0o700)
        try:
            yield made
            for path in made.iterdir():
                sync_path(path)
            sync_path(made)
            made.rename(target)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        sync_path(self.folder)
        self.prune()

    def receive(self, height: int, folder: Path) -> None:
        """Keep a snapshot that came from elsewhere: ``folder``, in the same file system, becomes it. Nothing happens
        where there is one."""
        target = self.folder / str(height)
        if target.exists():
            return
        for path in folder.iterdir():
            sync_path(path)
        sync_path(folder)
        folder.rename(target)
        sync_path(self.folder)
        self.prune()

    def prune(self, above: int | None = None) -> None:
        """Remove all but the newest, as many as are kept; and those above a height, which the ledger does not reach."""
        heights = self.heights()
        unreached = [height for height in heights if above is not None and height > above]
        reached = [height for height in heights if height not in unreached]
        for height in (*unreached, *reached[self.kept :]):
            # The name goes first, so that no snapshot is ever there in part.
            going = self.folder / f"{height}{_MAKING}"
            shutil.rmtree(going, ignore_errors=True)
            (self.folder / str(height)).rename(going)
            shutil.rmtree(going, ignore_errors=True)

    def clear(self) -> None:
        """Remove what an interrupted process left unfinished."""
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                if not path.name.isdecimal():
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
