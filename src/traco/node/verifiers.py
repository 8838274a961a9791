"""Verifier processes: screening of transactions outside the ledger's interpreter.

Threads would not do: beside busy Python a verifying thread gets a few hundred checks per second. Each process reads
batches from a socket and answers in order; the pool hands a batch to the process with the least work.
"""

import asyncio
import multiprocessing
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from traco.kernel.codec import Codec, encode
from traco.kernel.screening import DirectScreener, Screened

_LENGTH: Final = struct.Struct(">I")
_BATCH: Final[Codec[tuple[bytes, ...]]] = Codec(tuple[bytes, ...])
_ANSWERS: Final[Codec[tuple[Screened, ...]]] = Codec(tuple[Screened, ...])

MakeScreener = Callable[[], DirectScreener]


def serve(make_screener: MakeScreener, connection: socket.socket) -> None:
    """The life of a verifier process: until the other side closes."""
    screener = make_screener()
    with connection, connection.makefile("rwb") as stream:
        while head := stream.read(_LENGTH.size):
            batch = _BATCH.trusted(stream.read(_LENGTH.unpack(head)[0]))
            answers = encode(screener.screen(batch))
            stream.write(_LENGTH.pack(len(answers)) + answers)
            stream.flush()


class VerifierDied(RuntimeError):
    """A verifier process ended; the node must stop, its supervisor starts it again."""


class Verifier:
    """One process, from this side. Answers come in the order of the batches."""

    def __init__(self, make_screener: MakeScreener) -> None:
        context = multiprocessing.get_context("spawn")
        self._near, far = socket.socketpair()
        self._process = context.Process(
            target=serve, args=(make_screener, far), daemon=True, name="traco-verifier"
        )
        self._process.start()
        far.close()
        self.outstanding = 0

    async def connect(self) -> None:
        """Attach to the running event loop."""
        self._reader, self._writer = await asyncio.open_connection(sock=self._near)
        self._turn = asyncio.Lock()

    async def screen(self, batch: Sequence[bytes]) -> tuple[Screened, ...]:
        """One answer per transaction, in order. Raises ``VerifierDied``."""
        payload = encode(tuple(batch))
        self.outstanding += len(batch)
        try:
            self._writer.write(_LENGTH.pack(len(payload)) + payload)
            async with self._turn:
                size = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))[0]
                return _ANSWERS.trusted(await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise VerifierDied("a verifier process ended") from error
        finally:
            self.outstanding -= len(batch)

    async def disconnect(self) -> None:
        """Close the connection, inside the event loop; the process then ends by itself."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    def stop(self) -> None:
        """End the process and wait for it."""
        self._near.close()
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


class VerifierPool:
    """Several verifier processes. Make it before the state is loaded, then ``connect`` inside the event loop."""

    def __init__(self, make_screener: MakeScreener, count: int) -> None:
        self._verifiers = [Verifier(make_screener) for _ in range(count)]

    async def connect(self) -> None:
        """Attach to the running event loop."""
        for verifier in self._verifiers:
            await verifier.connect()

    async def screen(self, batch: Sequence[bytes]) -> tuple[Screened, ...]:
        """One answer per transaction, in order, from the least busy process."""
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
