"""Verifier processes: screening of transactions outside the ledger's interpreter.

Threads would not do: beside busy Python a verifying thread gets a few hundred checks per second. Each process reads
batches from a socket and answers in order; the pool hands a batch to the process with the least work.
"""

import asyncio
import multiprocessing
import queue
import signal
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from traco.kernel.codec import Codec, encode
from traco.kernel.errors import Halt
from traco.kernel.screening import DirectScreener, Screened
from traco.node.service import name_process

_HEAD: Final = struct.Struct(">IQ")  # length of the payload, number of the batch
_BATCH: Final[Codec[tuple[bytes, ...]]] = Codec(tuple[bytes, ...])
_ANSWERS: Final[Codec[tuple[Screened, ...]]] = Codec(tuple[Screened, ...])

GRACE_SECONDS: Final = 10
STOP_SECONDS: Final = 5.0

MakeScreener = Callable[[], DirectScreener]


def leave_signals_to_parent() -> None:
    """Ctrl-C and service managers signal all processes at once; a child ends when the ledger process ends its socket.

    Should that not happen, SIGTERM ends it after ``GRACE_SECONDS``.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: signal.alarm(GRACE_SECONDS))


def serve(make_screener: MakeScreener, connection: socket.socket) -> None:
    """The life of a verifier process: until the other side closes.

    A thread takes batches off the socket, which holds only two: else this process would stand idle while the ledger
    process executes a block and sends nothing.
    """
    leave_signals_to_parent()
    name_process("traco-verifier")
    batches: queue.SimpleQueue[tuple[int, bytes] | None] = queue.SimpleQueue()
    with connection, connection.makefile("wb") as answering, suppress(ConnectionError):
        threading.Thread(target=_take_batches, args=(connection, batches), daemon=True).start()
        screener = make_screener()
        while (batch := batches.get()) is not None:
            number, payload = batch
            answers = encode(screener.screen(_BATCH.trusted(payload)))
            answering.write(_HEAD.pack(len(answers), number) + answers)
            answering.flush()


def _take_batches(connection: socket.socket, batches: "queue.SimpleQueue[tuple[int, bytes] | None]") -> None:
    """Read batches until the socket ends, also in the middle of one: the ledger process was killed while it wrote."""
    try:
        with connection.makefile("rb") as stream, suppress(ConnectionError):
            while len(head := stream.read(_HEAD.size)) == _HEAD.size:
                size, number = _HEAD.unpack(head)
                payload = stream.read(size)
                if len(payload) < size:
                    return
                batches.put((number, payload))
    finally:
        batches.put(None)


class VerifierDied(Halt):
    """A verifier process ended; the node must stop, whoever supervises it starts it again."""


class Verifier:
    """One process, from this side. Answers come in the order of the batches and carry their numbers."""

    def __init__(self, make_screener: MakeScreener) -> None:
        context = multiprocessing.get_context("spawn")
        self._near, far = socket.socketpair()
        self._process = context.Process(
            target=serve, args=(make_screener, far), daemon=True, name="traco-verifier"
        )
        try:
            self._process.start()
        except BaseException:
            self._near.close()
            raise
        finally:
            far.close()
        self.outstanding = 0  # bytes: what signatures cost grows with them more than with the transactions
        self._number = 0
        self._waiting: deque[tuple[int, asyncio.Future[bytes]]] = deque()
        self._listener: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The number of the process."""
        return self._process.pid

    async def connect(self) -> asyncio.Task[None]:
        """Attach to the running event loop. The task ends, with ``VerifierDied``, when the process has ended."""
        self._reader, self._writer = await asyncio.open_connection(sock=self._near)
        self._listener = asyncio.create_task(self._listen(), name="traco-verifier")
        return self._listener

    async def screen(self, batch: Sequence[bytes]) -> tuple[Screened, ...]:
        """One answer per transaction, in order. Raises ``VerifierDied``."""
        if self._listener is None or self._listener.done():
            raise _died()
        payload = encode(tuple(batch))
        self.outstanding += len(payload)
        self._number += 1
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        # Whoever stops waiting leaves the future here: its answer still comes, and must not be taken for the next one.
        self._waiting.append((self._number, future))
        try:
            self._writer.write(_HEAD.pack(len(payload), self._number) + payload)
            return _ANSWERS.trusted(await future)
        finally:
            self.outstanding -= len(payload)

    async def _listen(self) -> None:
        try:
            while True:
                size, number = _HEAD.unpack(await self._reader.readexactly(_HEAD.size))
                answers = await self._reader.readexactly(size)
                expected, future = self._waiting.popleft() if self._waiting else (-1, None)
                if future is None or number != expected:
                    raise VerifierDied(f"a verifier process answered batch {number}, not {expected}")
                if not future.done():
                    future.set_result(answers)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise _died() from None
        finally:
            for _, future in self._waiting:
                if not future.done():
                    future.set_exception(_died())
                    future.exception()  # the caller may have gone
            self._waiting.clear()

    async def disconnect(self) -> None:
        """Close the connection, inside the event loop; the process then ends by itself."""
        if self._listener is None:
            return
        self._listener.cancel()
        with suppress(asyncio.CancelledError, VerifierDied):
            await self._listener
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    def stop(self) -> None:
        """End the process and wait for it."""
        self._near.close()
        self._process.join(STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


def _died() -> VerifierDied:
    return VerifierDied("a verifier process ended; start the node again, and see the log if it happens again")


class VerifierPool:
    """Several verifier processes. Make it before the state is loaded, then ``connect`` inside the event loop."""

    def __init__(self, make_screener: MakeScreener, count: int) -> None:
        self._verifiers: list[Verifier] = []
        try:
            for _ in range(count):
                self._verifiers.append(Verifier(make_screener))
        except BaseException:
            self.stop()
            raise
        self._listeners: list[asyncio.Task[None]] = []

    @property
    def pids(self) -> list[int | None]:
        """The numbers of the processes."""
        return [verifier.pid for verifier in self._verifiers]

    async def connect(self) -> None:
        """Attach to the running event loop."""
        self._listeners = [await verifier.connect() for verifier in self._verifiers]

    async def watch(self) -> None:
        """Wait until a process ends, and raise ``VerifierDied``: without it every second batch would have no answer."""
        done, _ = await asyncio.wait(self._listeners, return_when=asyncio.FIRST_COMPLETED)
        for listener in done:
            listener.result()

    async def screen(self, batch: Sequence[bytes]) -> tuple[Screened, ...]:
        """One answer per transaction, in order, from the least busy process. Raises ``VerifierDied``."""
        verifier = min(self._verifiers, key=lambda candidate: candidate.outstanding)
        return await verifier.screen(batch)

    async def disconnect(self) -> None:
        """Close all connections, inside the event loop."""
        for verifier in self._verifiers:
            await verifier.disconnect()

    def stop(self) -> None:
        """End all processes."""
        for verifier in self._verifiers:
            verifier.stop()
