"""What is between the nodes: each is reached through a proxy that delays, loses, holds back or cuts what goes between two of them.

A proxy knows whom it forwards to; who calls is found by the socket's other end, which belongs to the process of an engine. So
nothing in the nodes is changed, and each direction between each two of them can be disturbed on its own.
"""

import asyncio
import os
import random
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

READ_BYTES: Final = 65_536
MAX_WAITING_BYTES: Final = 4_194_304  # what a delayed line holds before it reads no more
STALL_SECONDS: Final = 0.4  # how long a lost piece is late: about what TCP needs to send it again
UNKNOWN: Final = "?"


class Weather(NamedTuple):
    """What a direction does to what goes through. Seconds of delay, and the share of pieces that come late as if lost."""

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0


FAIR: Final = Weather()
Pair = tuple[str, str]  # who sends, who receives


class Switchboard:
    """All proxies of a network, in a thread with an event loop of its own. Methods may be called from any other thread."""

    def __init__(self, seed: int = 1) -> None:
        self.owners: dict[str, Callable[[], int | None]] = {}
        self.counts = {"connections": 0, "cut": 0, "late": 0}
        self._random = random.Random(seed)
        self._blocked: frozenset[Pair] = frozenset()
        self._weather: dict[Pair, Weather] = {}
        self._lines: set[_Connection] = set()
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wires", daemon=True)
        self._thread.start()

    def add(self, name: str, port: int) -> int:
        """A proxy for the node that listens on ``port``; the port under which the others are to call it."""

        async def serve() -> int:
            server = await asyncio.start_server(
                lambda reader, writer: self._accept(name, port, reader, writer), "127.0.0.1", 0
            )
            self._servers.append(server)
            return int(server.sockets[0].getsockname()[1])

        return int(self._call(serve()))

    def close(self) -> None:
        """End all connections and the thread."""
        if not self._loop.is_closed():
            self._call(self._close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def connected(self, name: str, seconds: float) -> int:
        """How many connections of a node have lasted so long: what a filter refuses ends at once."""

        async def count() -> int:
            since = time.monotonic() - seconds
            return len(
                [line for line in self._lines if name in (line.caller, line.called) and line.since < since]
            )

        return int(self._call(count()))

    # disturbances

    def hold(self, pairs: Iterable[Pair]) -> None:
        """From now on nothing passes in these directions, and in all others it does. What waits arrives when they are opened."""
        self._do(self._set_blocked, frozenset(pairs))

    def cut(self, name: str | None = None) -> None:
        """End connections (of one node); they may be made again at once."""
        self._do(self._cut, name)

    def weather(self, weather: Weather, pairs: Iterable[Pair]) -> None:
        """What these directions do to what goes through, from now on."""
        self._do(self._weather.update, dict.fromkeys(pairs, weather))

    def heal(self) -> None:
        """Fair weather and open lines."""
        self._do(self._weather.clear)
        self.hold(())

    # inside of the thread

    def _call(self, coroutine: Any) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return future.result(30)

    def _do(self, action: Callable[..., None], *arguments: Any) -> None:
        async def done() -> None:
            action(*arguments)

        self._call(done())

    def _set_blocked(self, pairs: frozenset[Pair]) -> None:
        self._blocked = pairs
        for line in self._lines:
            line.refresh()

    def _cut(self, name: str | None) -> None:
        for line in list(self._lines):
            if name in (None, line.caller, line.called):
                self.counts["cut"] += 1
                line.abort()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        while self._lines or len(asyncio.all_tasks()) > 1:  # one may just be being accepted
            self._cut(None)
            await asyncio.sleep(0)

    async def _accept(
        self, called: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        caller = self._caller(writer.get_extra_info("peername")[1])
        line = _Connection(self, caller, called)
        self._lines.add(line)
        self.counts["connections"] += 1
        try:
            await line.run(port, reader, writer)
        finally:
            self._lines.discard(line)

    def _caller(self, port: int) -> str:
        """Whose engine a connection from this port is."""
        inode = _inode_of(port)
        for name, engine in self.owners.items():
            pid = engine()
            if pid is not None and inode is not None and _has_socket(pid, inode):
                return name
        return UNKNOWN

    def is_blocked(self, pair: Pair) -> bool:
        """Whether nothing passes in this direction."""
        return pair in self._blocked

    def due(self, pair: Pair) -> float:
        """When a piece that comes in now goes out, by ``time.monotonic``."""
        weather = self._weather.get(pair, FAIR)
        seconds = weather.delay + self._random.uniform(0, weather.jitter)
        if weather.loss and self._random.random() < weather.loss:
            self.counts["late"] += 1
            seconds += STALL_SECONDS
        return time.monotonic() + seconds


class _Connection:
    """One connection through a proxy: two directions."""

    def __init__(self, board: Switchboard, caller: str, called: str) -> None:
        self.board, self.caller, self.called = board, caller, called
        self.since = time.monotonic()
        self.tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._changed = asyncio.Event()

    async def run(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward both ways until one side ends."""
        self._writers.append(writer)
        while self.board.is_blocked((self.caller, self.called)) or self.board.is_blocked(
            (self.called, self.caller)
        ):
            await self._changed.wait()  # a handshake gets no answer
            if writer.is_closing():
                return
        try:
            theirs, ours = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.transport.abort()
            return
        self._writers.append(ours)
        try:
            for each in (ours, writer):
                each.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, target, pair in (
                (reader, ours, (self.caller, self.called)), (theirs, writer, (self.called, self.caller)),
            ):  # fmt: skip
                self.tasks.append(asyncio.create_task(self._forward(source, target, pair)))
            await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            pass  # it was cut while the other side was dialled
        finally:
            self.abort()
            await asyncio.gather(*self.tasks, return_exceptions=True)

    def refresh(self) -> None:
        """Lines were opened or closed."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def abort(self) -> None:
        """End it at once, in both directions."""
        for task in self.tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()
        self.refresh()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: Pair) -> None:
        """Pieces in order; one that is late makes those behind it late, as TCP does."""
        waiting: deque[tuple[float, bytes]] = deque()
        arrived, left = asyncio.Event(), asyncio.Event()

        async def send() -> None:
            while True:
                while not waiting:
                    arrived.clear()
                    await arrived.wait()
                due, piece = waiting[0]
                if (seconds := due - time.monotonic()) > 0:
                    await asyncio.sleep(seconds)
                while self.board.is_blocked(pair):
                    await self._changed.wait()
                writer.write(piece)
                await writer.drain()
                waiting.popleft()
                left.set()

        sending = asyncio.create_task(send())
        try:
            with suppress(OSError):
                while piece := await reader.read(READ_BYTES):
                    waiting.append((self.board.due(pair), piece))
                    arrived.set()
                    while sum(len(each) for _, each in waiting) > MAX_WAITING_BYTES and not sending.done():
                        left.clear()
                        await left.wait()
                    if sending.done():
                        return
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


def _inode_of(port: int) -> str | None:
    """The socket on the loopback address that has this port at its own end and is connected."""
    with suppress(OSError):
        for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = row.split()
            if fields[1] == f"0100007F:{port:04X}" and fields[3] == "01":
                return fields[9]
    return None


def _has_socket(pid: int, inode: str) -> bool:
    with suppress(OSError):
        for entry in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/{entry}") == f"socket:[{inode}]":
                    return True
    return False


# Shapes of partitions


def between(groups: Iterable[Iterable[str]]) -> frozenset[Pair]:
    """Every direction between members of different groups."""
    parts = [tuple(group) for group in groups]
    return frozenset(
        (one, other)
        for mine in parts for theirs in parts if mine is not theirs
        for one in mine for other in theirs
    )  # fmt: skip


def all_pairs(names: Iterable[str]) -> frozenset[Pair]:
    """Every direction."""
    known = tuple(names)
    return frozenset((one, other) for one in known for other in known if one != other)


def ring(names: Iterable[str]) -> frozenset[Pair]:
    """What is blocked where each sees only the two beside it."""
    known = tuple(names)
    count = len(known)
    return frozenset(
        (one, other)
        for here, one in enumerate(known) for there, other in enumerate(known)
        if (here - there) % count not in (0, 1, count - 1)
    )  # fmt: skip


def star(names: Iterable[str]) -> frozenset[Pair]:
    """What is blocked where all see only the first."""
    known = tuple(names)
    return frozenset(pair for pair in all_pairs(known) if known[0] not in pair)


def one_way(mute: str, names: Iterable[str]) -> frozenset[Pair]:
    """What is blocked where one hears everybody and nobody hears it."""
    return frozenset((mute, other) for other in names if other != mute)
