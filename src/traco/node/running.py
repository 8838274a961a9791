"""Which process runs the node of a directory; starting nodes in the background, and ending them in order.

A directory's lock says who runs: it belongs to an open file and ends with its process, so a number that is left over from
before names nobody. Only a process that has the lock of the directory open is ever signalled.
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

from traco.kernel.errors import Halt
from traco.node.directory import NODE_LOG, NodeDirectoryError
from traco.storage import DirectoryLock, StoreLocked
from traco.storage.lock import LOCK_FILE

START_OUTPUT: Final = "start.out"  # what a node says that was started in the background, before it has a log
POLL_SECONDS: Final = 0.1
STOP_SECONDS: Final = 30.0
LAST_WORDS: Final = 2_000
OWN_SETTINGS: Final = (
    "TRACO_NODE_HOST",
    "TRACO_NODE_PORT",
    "TRACO_NODE_METRICS__PORT",
    "TRACO_NODE_ENGINE__P2P_PORT",
)
"""Environment variables that would give several nodes one address."""


def holder(directory: Path) -> int | None:
    """The process that has a node's directory, or None.

    Asked without touching the lock where the system tells what a process has open: else a node that starts at this moment
    would find it taken.
    """
    path = directory / LOCK_FILE
    try:
        text = path.read_bytes()
    except OSError:
        return None
    pid = int(text) if text.isdigit() else 0
    has_it = _has_open(pid, path) if pid else False
    if has_it is None:
        return _locked_by(directory)
    return pid if has_it else None


def _has_open(pid: int, path: Path) -> bool | None:
    """Whether a process has the file open; None where the system does not tell."""
    if not Path("/proc/self/fd").is_dir():
        return None
    wanted = os.path.realpath(path)
    try:
        return any(os.path.realpath(entry) == wanted for entry in Path(f"/proc/{pid}/fd").iterdir())
    except PermissionError:
        return None
    except OSError:
        return False


def _locked_by(directory: Path) -> int | None:
    try:
        DirectoryLock(directory).release()
    except StoreLocked as locked:
        return locked.pid or None
    except Halt:  # of a lock that this user may not open
        return None
    return None


def request_stop(directory: Path) -> int | None:
    """Tell the process that runs a node to stop; its number, or None where none runs."""
    pid = holder(directory)
    if pid is None:
        return None
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return None
    return pid


def wait_stopped(directory: Path, pid: int, seconds: float = STOP_SECONDS) -> None:
    """Wait until that process has the directory no more. Raises ``NodeDirectoryError`` (``node.not_stopping``)."""
    deadline = time.monotonic() + seconds
    while holder(directory) == pid:
        if time.monotonic() > deadline:
            raise NodeDirectoryError(
                "node.not_stopping", f"process {pid} does not stop; see {directory / NODE_LOG}"
            )
        time.sleep(POLL_SECONDS)


class Background:
    """``traco node start`` in a session of its own, so that it goes on when the terminal is closed."""

    def __init__(self, directory: Path, passphrase_file: Path) -> None:
        """Start it. What it says until it logs is in ``start.out`` of the directory."""
        self.directory = directory.resolve()
        arguments = [
            sys.executable, "-m", "traco.cli", "node", "start", str(self.directory), "--passphrase-file",
            str(passphrase_file.resolve()),
        ]  # fmt: skip
        environment = {name: value for name, value in os.environ.items() if name not in OWN_SETTINGS}
        output = os.fspath(self.directory / START_OUTPUT)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        self.pid = os.posix_spawn(
            sys.executable, arguments, environment, setsid=True,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, output, flags, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )  # fmt: skip
        self._code: int | None = None

    def ended(self) -> int | None:
        """The exit code if it has ended, else None."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def last_words(self) -> str:
        """The end of what it said."""
        try:
            raw = (self.directory / START_OUTPUT).read_bytes()[-LAST_WORDS:]
        except OSError:
            return ""
        return raw.decode(errors="replace").strip()
