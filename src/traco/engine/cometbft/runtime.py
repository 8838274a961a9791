"""The folder of the engine's sockets: new at each start, for this user alone, with a path that is short enough."""

import contextlib
import fcntl
import os
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from traco.engine.cometbft.errors import EngineError

PREFIX: Final = "traco-run-"
MAX_SOCKET_PATH: Final = 90
"""Bytes of a socket's path, with some to spare: systems allow 104 to 108."""
STALE_SECONDS: Final = 60.0  # a folder that is older and that nobody holds was left by a crash

_SOCKETS: Final = ("abci", "rpc")


class RuntimeDirectory:
    """The folder, removed at the end, by the next one after a crash. A context manager."""

    def __init__(self) -> None:
        """Make it, in ``XDG_RUNTIME_DIR`` or the folder for temporary files. Raises ``EngineError``."""
        places = [place for place in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir()) if place]
        for place in places:
            with contextlib.suppress(OSError):
                path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
                if len(os.fsencode(path / "abci")) <= MAX_SOCKET_PATH:
                    self.path = path
                    self._held = _hold(path)
                    _remove_stale(path.parent)
                    return
                path.rmdir()
        raise EngineError(
            "engine.no_runtime_directory",
            f"no folder for sockets can be made in {' or '.join(places)}, or the path is too long for a socket; set TMPDIR to a "
            "short path that this user can write to",
        )

    @property
    def abci_socket(self) -> Path:
        """Where the application listens."""
        return self.path / "abci"

    @property
    def rpc_socket(self) -> Path:
        """Where the engine listens."""
        return self.path / "rpc"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _remove(self.path)
        os.close(self._held)


def _hold(path: Path) -> int:
    """Lock a folder, as long as this process lives."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove_stale(place: Path) -> None:
    """Remove this user's folders whose process was killed. What else is in one keeps it there."""
    for path in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if status.st_uid == os.geteuid() and time.time() - status.st_mtime > STALE_SECONDS:
                held = _hold(path)
                _remove(path)
                os.close(held)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        for name in _SOCKETS:
            (path / name).unlink(missing_ok=True)
        path.rmdir()
