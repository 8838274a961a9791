"""What backups, restores, exports and imports share: copies that appear complete or not at all, and why one is refused.

LedgerError
└── CopyRefused    the copy, or what it was to be made of, is not what it has to be; ``code`` says why
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Final, NamedTuple

from traco.kernel.errors import LedgerError

CHUNK_BYTES: Final = 4_194_304


class CopyRefused(LedgerError):
    """Nothing was made: a stable ``code``, and a text that says what happened and what to do."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class CopyProgress(NamedTuple):
    """How far a step has come, in units of its own (``pages``, ``bytes``, ``blocks``)."""

    step: str
    done: int
    total: int


Report = Callable[[CopyProgress], None]


def say_nothing(_: CopyProgress) -> None:
    """For callers that show no progress."""


class Digest(NamedTuple):
    """Size and hash of a file."""

    size: int
    sha256: str


@contextmanager
def appearing_directory(target: Path, code: str) -> Iterator[Path]:
    """A directory to fill, which gets the name ``target`` when all in it is on the disk; after an error it is gone.

    Refused with ``code`` where ``target`` is there and not an empty directory. A process that is killed leaves the
    unfinished one, whose name begins with a dot.
    """
    _require_free(target, code)
    parent = target.absolute().parent
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = Path(mkdtemp(prefix=f".{target.name}.", dir=parent))  # of mode 0700
    try:
        yield made
        for path in made.rglob("*"):
            sync(path)
        sync(made)
        _require_free(target, code)
        made.rename(target)  # takes the place of an empty directory, never of a full one
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    sync(parent)


def _require_free(target: Path, code: str) -> None:
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise CopyRefused(
            code, f"{target} is there already and is not an empty directory; choose another name"
        )


@contextmanager
def appearing_file(target: Path, code: str) -> Iterator[Path]:
    """As ``appearing_directory`` for one file of mode 0600; the caller makes it under the path that it is given."""
    if os.path.lexists(target):
        raise CopyRefused(code, f"{target} is there already; choose another name")
    parent = target.absolute().parent
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = Path(mkdtemp(prefix=f".{target.name}.", dir=parent))
    try:
        made = folder / target.name
        os.close(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        yield made
        sync(made)
        try:
            os.link(made, target)  # unlike a rename it never takes the place of another file
        except FileExistsError:
            raise CopyRefused(code, f"{target} is there already; choose another name") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sync(parent)


def require_space(folder: Path, needed: int, code: str) -> None:
    """Refuse, before anything is written, what does not fit where ``folder`` is. Raises ``CopyRefused``."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise CopyRefused(
            code,
            f"it needs {needed} bytes, and {free} are free in {folder}; make space or choose another place",
        )


def sync(path: Path) -> None:
    """Have the content of a file, or the names in a directory, on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder_of(folder: Path, name: str) -> None:
    """Make the folders, of mode 0700, in which the file ``name`` (a path inside ``folder``) is to be."""
    for parent in reversed(Path(name).parents[:-1]):
        (folder / parent).mkdir(mode=0o700, exist_ok=True)


def digest_of(path: Path) -> Digest:
    """Size and hash of a file as it can be read now."""
    hasher, size = sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            hasher.update(chunk)
            size += len(chunk)
    return Digest(size, hasher.hexdigest())


def copy_file(source: Path, target: Path, report: Callable[[int], None] = lambda _: None) -> Digest:
    """Copy a file to a new one of mode 0600; its size and hash as they went by."""
    hasher, size = sha256(), 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with source.open("rb") as reading, open(os.open(target, flags, 0o600), "wb") as writing:
        while chunk := reading.read(CHUNK_BYTES):
            hasher.update(chunk)
            writing.write(chunk)
            size += len(chunk)
            report(size)
    return Digest(size, hasher.hexdigest())
