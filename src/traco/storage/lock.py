"""One process per data directory.

The lock belongs to the open file, not to its content: it ends with the process, however that ends. The file stays and
holds the number of the last process, for the message to the next one.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from traco.storage.errors import MediumFailed, StoreLocked

LOCK_FILE: Final = "lock"
_MAX_PID_BYTES: Final = 20


class DirectoryLock:
    """Holds a data directory from creation to ``release``, or as a context manager."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        """Take the lock. Raises ``StoreLocked`` where a process has it, ``MediumFailed`` without access."""
        self._path = Path(directory) / LOCK_FILE
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(self._path, flags, 0o600)
        except OSError as error:
            raise MediumFailed(str(self._path), str(error.strerror)) from error
        try:
            self._take()
        except BaseException:
            os.close(self._descriptor)
            raise

    def _take(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.pread(self._descriptor, _MAX_PID_BYTES, 0)
            # The holder may not have written its number yet.
            raise StoreLocked(str(self._path.parent), int(text) if text.isdigit() else 0) from None
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)
        except OSError as error:
            raise MediumFailed(str(self._path), str(error.strerror)) from error

    def release(self) -> None:
        """Let other processes in. Once is enough."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
