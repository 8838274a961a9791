"""The executors of a node, from the side of the seats' process: started when a channel is first executed, and again when they end."""

import asyncio
import fcntl
import logging
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final

from traco.channels.executing.composition import Compositions
from traco.channels.seat.errors import ExecutorAway
from traco.kernel.errors import Halt
from traco.node.channels.execution import ANSWER, HEAD, Answer, Begin, Execute, Request, framed
from traco.node.channels.file_replica import FileReplica
from traco.node.channels.stores import EXECUTORS_LOCK, replica_path
from traco.node.configuration import LogConfig

PAUSES_S: Final = (0.0, 1.0, 2.0, 5.0, 15.0, 60.0)
"""Pauses before one that ended is started again; the last one from then on."""

STEADY_S: Final = 60.0  # one that lived so long begins with the first pause again
PATIENCE_S: Final = (
    10.0  # for an executor to take, or to close, something; and for those of a process before to end
)
STOP_S: Final = 5.0
WAITING: Final = (
    3  # channels that have something with one executor: when it has done one thing, the next is there
)
_CHUNK: Final = 1_048_576
_MODULE: Final = "traco.node.channels.executor"
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_TIME: Final = struct.Struct("@ll")

log = logging.getLogger("traco.channels")


class Line:
    """The connection to one running process. Answers come in the order of requests."""

    def __init__(self, begin: Begin) -> None:
        """Raises ``OSError``."""
        self._loop = asyncio.get_running_loop()
        self.begun = self._loop.time()
        self._buffer = bytearray()
        self._waiting: deque[asyncio.Future[Answer]] = deque()
        self.is_open = True
        self._near, far = socket.socketpair()
        with far:
            # a signal to all processes must not meet it before it has learnt to leave signals to this one
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
            try:
                self._process = subprocess.Popen(  # noqa: S603 - this very program
                    (sys.executable, "-m", _MODULE), stdin=far.fileno()
                )
            except BaseException:
                self._near.close()
                raise
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        # it takes what is sent at once, whatever it does; one that does not is stuck
        self._near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIME.pack(int(PATIENCE_S), 0))
        self._loop.add_reader(self._near, self._read)
        self._send(framed(begin))

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def ask(self, request: Request) -> asyncio.Future[Answer]:
        """Its answer, in time; ``ExecutorAway`` where it ends before."""
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._waiting.append(future)
        self._send(framed(request))
        return future

    def wait(self, future: asyncio.Future[Answer], seconds: float) -> None:
        """Wait for an answer, and let nobody else run meanwhile; after so many seconds the process is ended."""
        until = time.monotonic() + seconds
        while self.is_open and not future.done():
            left = until - time.monotonic()
            if left <= 0:
                log.error("an executor of channels (%d) does not answer, and is ended", self.pid)
                self.end()
            elif select.select((self._near,), (), (), left)[0]:
                self._read()

    def _send(self, raw: bytes) -> None:
        try:
            self._near.sendall(raw)
        except OSError:
            self.end()

    def _read(self) -> None:
        try:
            chunk = self._near.recv(_CHUNK, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self.end()
            return
        self._buffer += chunk
        while len(self._buffer) >= HEAD.size:
            (size,) = HEAD.unpack_from(self._buffer)
            if len(self._buffer) < HEAD.size + size:
                return
            raw = bytes(memoryview(self._buffer)[HEAD.size : HEAD.size + size])
            del self._buffer[: HEAD.size + size]
            future = self._waiting.popleft()
            if not future.done():  # whoever stopped waiting left it here
                future.set_result(ANSWER.trusted(raw))

    def end(self) -> None:
        """The process is gone when this returns, and whoever waits for it is told."""
        if not self.is_open:
            return
        self.hang_up()
        self._process.kill()  # where it has not ended by itself: nothing of it may write any more
        code = self._process.wait()
        log.error("an executor of channels (%d) ended with code %s", self.pid, code)
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(ExecutorAway())
                future.exception()  # who asked may be gone

    def hang_up(self) -> None:
        """Close the connection, which tells the process to end."""
        self.is_open = False
        self._loop.remove_reader(self._near)
        self._near.close()

    def join(self) -> None:
        """Wait until a process has ended that was hung up on; not for ever."""
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Executor:
    """One executor, whichever process it is now."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._line: Line | None = None
        self._failures = 0
        self._not_before = 0.0
        self.channels = 0  # that belong to it

    @property
    def pid(self) -> int | None:
        """The number of its process, while there is one."""
        return self._line.pid if self._line is not None and self._line.is_open else None

    async def ask(self, request: Request) -> Answer:
        """Its answer. A process that has ended is started again for what begins something. Raises ``ExecutorAway``."""
        return await self._running(is_begun=isinstance(request, Execute)).ask(request)

    def ask_now(self, request: Request) -> None:
        """Have something done before this returns; a process that is gone has done with everything."""
        line = self._line
        if line is not None and line.is_open:
            line.wait(line.ask(request), PATIENCE_S)

    def _running(self, *, is_begun: bool) -> Line:
        line = self._line
        if line is not None and line.is_open:
            return line
        now = asyncio.get_running_loop().time()
        if line is not None:
            self._line = None
            self._failures = 0 if now - line.begun >= STEADY_S else self._failures
            self._not_before = now + PAUSES_S[min(self._failures, len(PAUSES_S) - 1)]
            self._failures += 1
        if not is_begun or now < self._not_before:
            raise ExecutorAway
        try:
            self._line = Line(self._begin)
        except OSError as error:
            log.error("an executor of channels cannot be started: %s", error)
            self._not_before = now + PAUSES_S[-2]
            raise ExecutorAway from None
        return self._line

    def hang_up(self) -> Line | None:
        """Tell its process to end, if there is one, which is then to be joined."""
        line, self._line = self._line, None
        if line is None or not line.is_open:
            return None
        line.hang_up()
        return line


class ExecutorPool:
    """As ``Executors``: ``count`` processes, among which channels are shared out. Make it with ``executors_lock`` held."""

    def __init__(
        self, directory: Path, network: bytes, compositions: Compositions, log_config: LogConfig, count: int
    ) -> None:
        self._directory, self._network = directory, network
        self._compositions = compositions
        self._executors = [Executor(Begin(os.getpid(), str(directory), log_config)) for _ in range(count)]
        self._of: dict[bytes, Executor] = {}
        self.at_once = WAITING * count

    @property
    def pids(self) -> list[int]:
        """The numbers of the processes that there are now."""
        return [each.pid for each in self._executors if each.pid is not None]

    def open(self, channel: bytes) -> FileReplica:
        """A channel's replica, read from its file; its executor begins with the first point. Raises ``StorageHalt``."""
        path = replica_path(self._directory, channel)
        return FileReplica(path, self._network, channel, self._compositions, self._executor(channel))

    def _executor(self, channel: bytes) -> Executor:
        """The same for as long as this process lives: so there is never a second one that writes."""
        found = self._of.get(channel)
        if found is None:
            found = self._of[channel] = min(self._executors, key=lambda each: each.channels)
            found.channels += 1
        return found

    async def close(self) -> None:
        """End all processes."""
        lines = [line for line in [each.hang_up() for each in self._executors] if line is not None]
        for line in lines:
            await asyncio.to_thread(line.join)


class ExecutorsStay(Halt):
    """Executors of a process before have not ended, and may still write."""


def executors_lock(directory: Path) -> int:
    """A descriptor that holds the directory's channels for this process and its executors, once those of a process before have ended.

    Close it in the end. Raises ``ExecutorsStay``, ``OSError``.
    """
    descriptor = os.open(directory / EXECUTORS_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + PATIENCE_S
    try:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() >= until:
                raise ExecutorsStay(
                    f"processes traco-executor of an earlier start still have {directory}; end them, and start again"
                )
            time.sleep(0.05)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
