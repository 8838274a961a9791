"""A node as a process of its own, started by the command, for tests of how it lives and dies."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from support.api import PASSPHRASE, make_directory
from traco.client.wire import connection_options

WAIT_SECONDS = 120.0  # a busy machine may need a minute to start a node; nothing waits longer than it has to


def free_port() -> int:
    """A port that nobody uses at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def make(directory: Path) -> str:
    """A node's directory; its address."""
    port = free_port()
    make_directory(directory, port)
    return f"http://127.0.0.1:{port}"


class Running:
    """``traco node start`` in a process group of its own; what it says goes to a file."""

    def __init__(self, directory: Path, url: str, passphrase: str = PASSPHRASE) -> None:
        self.directory, self.url = directory, url
        self.out = directory.parent / f"{directory.name}.out"
        environment = {
            **os.environ, "TRACO_PASSPHRASE": passphrase, "TRACO_HOME": str(directory.parent / "home"),
            "PYTHONWARNINGS": "error", "PYTHONPATH": os.pathsep.join(sys.path),
        }  # fmt: skip
        with self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "traco.cli", "node", "start", str(directory)],
                env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def ready(self) -> httpx.Response:
        """Wait until it answers; its status."""
        answers: list[httpx.Response] = []

        def answered() -> bool:
            assert self.process.poll() is None, self.said()
            try:
                answers.append(httpx.get(self.url + "/v1/status", timeout=5, **connection_options(self.url)))
            except httpx.TransportError:
                return False
            return answers[-1].status_code == 200

        wait_until(answered)
        return answers[-1]

    def children(self) -> list[int]:
        """Its processes."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return sorted(int(pid) for pid in listed if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text())

    def child(self, name: str) -> int:
        """Its process of that name, such as ``traco-api``, once it is there."""
        found: list[int] = []

        def is_there() -> bool:
            found[:] = [pid for pid in self.children() if _name_of(pid) == name]
            return bool(found)

        wait_until(is_there)
        return found[0]

    def ends(self) -> int:
        """Wait for its end; the exit code."""
        return self.process.wait(WAIT_SECONDS)

    def said(self) -> str:
        """What it printed."""
        return self.out.read_text()

    def log(self) -> str:
        """Its log."""
        return (self.directory / "node.log").read_text()


def _name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def wait_until(holds: Callable[[], bool]) -> None:
    """Look until something holds."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Whether a process runs (a dead one that nobody waited for does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"
