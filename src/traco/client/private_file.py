"""Reading and replacing a small file that only its owner may read: all of the old content or all of the new.

It is not for large files, and it does not encrypt.

Exceptions:

    OSError
    ├── NotPrivate    others than its owner may read or write it
    ├── TooLarge      beyond the caller's limit
    └── FileChanged   not what the caller read: somebody else replaced it since
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NotPrivate(OSError):
    """Others than the owner of the file may read, write or execute it."""


class TooLarge(OSError):
    """The file is longer than the caller allows."""


class FileChanged(OSError):
    """The file is not what the caller read before: somebody else replaced or removed it."""


def read_private(path: Path, limit: int) -> bytes:
    """The content of the file, at most ``limit`` bytes.

    Raises ``FileNotFoundError``, ``NotPrivate``, ``TooLarge``, or another ``OSError``: also for
    what is no regular file.
    """
    # without O_NONBLOCK, opening a pipe that was put in the file's place would wait for ever
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(f"{path} is no regular file")
        if mode & 0o077:
            raise NotPrivate(f"{path} must have mode 0600")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise TooLarge(f"{path} is longer than {limit} bytes")
    return content


def replace_private(path: Path, content: bytes, previous: bytes | None) -> None:
    """Put ``content`` in the place of ``previous`` (``None``: there must be no file yet), durably.

    After a crash at any moment the file has the old content or the new. Two writers exclude each other by
    ``<path>.lock``, and the one that did not see the other's content fails. Raises ``FileExistsError`` or
    ``FileChanged`` if the file is not as expected, or another ``OSError``. The old content then stays, unless
    it was the last step that failed, the sync of the directory.
    """
    with _locked(path):
        if previous is None:
            if os.path.lexists(path):
                raise FileExistsError(path)
        elif not _is_still(path, previous):
            raise FileChanged(path)
        _replace(path, content)


def _is_still(path: Path, content: bytes) -> bool:
    try:
        return read_private(path, len(content)) == content
    except (FileNotFoundError, TooLarge):
        return False


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(_beside(path, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, content: bytes) -> None:
    temporary = _beside(path, ".new")
    temporary.unlink(missing_ok=True)  # left by a crash: nobody else writes while we hold the lock
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with open(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
