"""One node of a network that is tortured: how it is started and ended, and what can be seen of it from outside."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import msgspec

from torture.report import Difference
from torture_cluster.remains import remains
from traco.client.signer import Signer
from traco.client.wire import connection_options
from traco.node.configuration import CONFIG_FILE
from traco.node.directory import ENGINE_FOLDER, LEDGER_FILE, NODE_LOG
from traco.node.founding.card import Card
from traco.storage import SnapshotReader
from traco.storage.rows import StoredBlock

PASSPHRASE: Final = "a passphrase for tests"
STOP_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.05
SAMPLE_SECONDS: Final = 0.05
MOST_SLOWNESS: Final = 6.0
LEDGER_PROCESS: Final = "traco-ledger"
LAST_WORDS: Final = 1_500
BLOCKS_AT_ONCE: Final = 500
PORTS: Final = range(22_000, 32_000)
_CHANCE: Final = random.SystemRandom()
PLANTED: Final = Path(__file__).parent / "planted"
FAULT_VARIABLE: Final = "TRACO_TORTURE_FAULT"  # read by planted/sitecustomize.py


def lasting_port() -> int:
    """A port that nobody listens on, below those that systems give to outgoing connections: it may be free for minutes."""
    while True:
        port = _CHANCE.choice(PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def slowness() -> float:
    """How many times as long as on a quiet machine work takes just now: limits of time are for quiet ones."""
    wall, own = time.monotonic(), time.thread_time()
    while time.thread_time() - own < SAMPLE_SECONDS:
        pass
    return min(MOST_SLOWNESS, max(1.0, (time.monotonic() - wall) / SAMPLE_SECONDS))


class Ports(NamedTuple):
    """Where a node listens on the loopback address: its API, its engine, and the proxy by which others reach the engine."""

    api: int
    peers: int
    proxy: int


def copy_directory(source: Path, target: Path) -> None:
    """Copy a node's directory, in a process of its own: closing a database file that this process also reads would end the
    locks of its readers (POSIX), and they would look at a log for ever that nobody writes any more.
    """
    subprocess.run(["cp", "-a", "--no-target-directory", source, target], check=True)


class Site:
    """A node's directory and, between ``start`` and its end, the processes that run it, in a session of their own."""

    def __init__(self, name: str, directory: Path, ports: Ports, card: Card, signer: Signer) -> None:
        self.name, self.directory, self.ports, self.card = name, directory, ports, card
        self.signer = signer  # of the organisation's key
        self.process: subprocess.Popen[bytes] | None = None
        self.out = directory.parent / f"{directory.name}.out"
        self._reader: SnapshotReader | None = None

    @property
    def url(self) -> str:
        """The address of its API."""
        return f"http://127.0.0.1:{self.ports.api}"

    @property
    def member(self) -> bytes:
        """Its organisation's id on the ledger."""
        return bytes.fromhex(self.card.statement.member)

    # life

    def start(self, fault: str = "", **settings: str) -> None:
        """``traco node start``. ``fault``: what is planted in it; ``settings``: further environment variables."""
        paths = [str(PLANTED)] if fault else []
        environment = {
            **os.environ, **settings, "TRACO_PASSPHRASE": PASSPHRASE, "TRACO_HOME": str(self.directory.parent / "home"),
            "PYTHONPATH": os.pathsep.join([*paths, *sys.path]), FAULT_VARIABLE: fault,
        }  # fmt: skip
        with self.out.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "traco.cli", "node", "start", str(self.directory), "--json"],
                env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    @property
    def is_started(self) -> bool:
        """Whether it was started and its first process lives."""
        return self.process is not None and self.process.poll() is None

    def await_ready(self, seconds: float) -> None:
        """Wait until its API answers. Raises ``Difference``."""
        deadline = time.monotonic() + seconds
        while not self.answers():
            if not self.is_started or time.monotonic() > deadline:
                raise Difference(
                    "start", f"{self.name} does not answer: {self.last_words()}\n{remains(self.directory)}"
                )
            time.sleep(POLL_SECONDS)

    def answers(self) -> bool:
        """Whether its API says where the ledger stands."""
        try:
            return (
                httpx.get(
                    f"{self.url}/v1/status", timeout=ANSWER_SECONDS, **connection_options(self.url)
                ).status_code
                == 200
            )
        except httpx.TransportError:
            return False

    def health(self) -> dict[str, Any]:
        """What it says of itself; empty where it gives no answer."""
        try:
            found: dict[str, Any] = httpx.get(
                f"{self.url}/v1/health/ready", timeout=ANSWER_SECONDS, **connection_options(self.url)
            ).json()
        except (httpx.TransportError, ValueError):
            return {}
        return found

    def terminate(self) -> None:
        """Ask it to stop in order."""
        if self.process is not None:
            self.process.terminate()

    def await_end(self, seconds: float = STOP_SECONDS) -> int:
        """Wait until its first process has ended; the exit code. Raises ``Difference``."""
        assert self.process is not None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Difference("stop", f"{self.name} does not stop: {self.last_words()}") from None

    def kill(self) -> None:
        """End all its processes at once, as when the machine fails."""
        for pid in self.processes():
            _signal(pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait(STOP_SECONDS)
            deadline = time.monotonic() + STOP_SECONDS
            while self.engine() is not None and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
        self.process = None

    def kill_ledger(self) -> bool:
        """End the ledger process with signal 9; whether there was one."""
        return _signal(self.ledger(), signal.SIGKILL)

    def kill_engine(self) -> bool:
        """End the engine with signal 9; whether there was one."""
        return _signal(self.engine(), signal.SIGKILL)

    def pause(self) -> list[int]:
        """Stop all its processes where they are; their numbers, for ``resume``."""
        stopped = self.processes()
        for pid in stopped:
            _signal(pid, signal.SIGSTOP)
        return stopped

    @staticmethod
    def pause_only(pid: int) -> list[int]:
        """Stop one process; its number, for ``resume``."""
        return [pid] if _signal(pid, signal.SIGSTOP) else []

    @staticmethod
    def resume(stopped: list[int]) -> None:
        """Let them go on."""
        for pid in stopped:
            _signal(pid, signal.SIGCONT)

    def copy_beside(self) -> "Site":
        """A node over a copy of its directory, as of this moment, which listens elsewhere."""
        directory = self.directory.with_name(f"{self.directory.name}-copy")
        copy_directory(self.directory, directory)
        return self.beside(directory)

    def beside(self, directory: Path) -> "Site":
        """A node over another directory with this one's keys, which listens elsewhere."""
        ports = Ports(lasting_port(), lasting_port(), self.ports.proxy)
        config = msgspec.json.decode((directory / CONFIG_FILE).read_bytes())
        config["port"], config["engine"]["p2p_port"] = ports.api, ports.peers
        (directory / CONFIG_FILE).write_bytes(msgspec.json.encode(config))
        return Site(f"{self.name} copied", directory, ports, self.card, self.signer)

    # processes

    def processes(self) -> list[int]:
        """All that run for this node: the first one, everything that it started, and the engine."""
        engine = self.engine()
        found = [] if self.process is None else list(_descendants(self.process.pid))
        return found if engine is None or engine in found else [*found, engine]

    def ledger(self) -> int | None:
        """The ledger process."""
        for pid in self.processes():
            if _text(pid, "comm").strip() == LEDGER_PROCESS and not _is_dead(pid):
                return pid
        return None

    def engine(self) -> int | None:
        """The engine's process: the one that works in this node's folder."""
        wanted = f"start\0--home\0{self.directory / ENGINE_FOLDER}\0"
        for entry in os.listdir("/proc"):
            if entry.isdigit() and wanted in _text(int(entry), "cmdline") and not _is_dead(int(entry)):
                return int(entry)
        return None

    # what it has committed

    def height(self) -> int:
        """Its last committed block, as its ledger has it."""
        snapshot = self._open().snapshot()
        if snapshot is None:
            return -1
        with snapshot:
            return snapshot.height

    def blocks(self, after: int, limit: int = BLOCKS_AT_ONCE) -> list[StoredBlock]:
        """Its committed blocks above a height, in order."""
        snapshot = self._open().snapshot()
        if snapshot is None:
            return []
        with snapshot:
            return list(snapshot.blocks(after, limit))

    def _open(self) -> SnapshotReader:
        if self._reader is None:
            self._reader = SnapshotReader(self.directory / LEDGER_FILE)
        return self._reader

    def forget_reader(self) -> None:
        """Open the ledger anew at the next look: another file system is at its place."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def last_words(self) -> str:
        """The end of what it printed and logged."""
        return "\n".join(_tail(path) for path in (self.out, self.directory / NODE_LOG))

    def log(self) -> str:
        """Its log."""
        with suppress(FileNotFoundError):
            return (self.directory / NODE_LOG).read_text(encoding="utf-8", errors="replace")
        return ""


def _tail(path: Path) -> str:
    with suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8", errors="replace")[-LAST_WORDS:]
    return ""


def _signal(pid: int | None, number: signal.Signals) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _descendants(root: int) -> Iterator[int]:
    """A process and everything under it."""
    yield root
    for entry in _text(root, f"task/{root}/children").split():
        yield from _descendants(int(entry))


def _is_dead(pid: int) -> bool:
    return _text(pid, "stat").rpartition(")")[2].split()[:1] in ([], ["Z"], ["X"])


def _text(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
