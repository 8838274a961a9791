"""The link between the ledger process and the API process: framed messages over a socket pair that both inherit.

Nobody else can reach it: it has no address. Requests are numbered; answers may come in any order.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import msgspec

from traco.client.witness import KeyProofs
from traco.engine.cometbft.errors import EngineRefused
from traco.kernel.codec import Hash, Record, encode
from traco.kernel.errors import Failure
from traco.node.figures import Figures
from traco.node.gateway import Gateway
from traco.node.light import LightSource, LightUnavailable
from traco.node.logs import REQUEST
from traco.node.submission import GatewayStopped, Result, Status
from traco.node.tracing import NO_TRACES, Tracer

_HEAD: Final = struct.Struct(">IQ")  # length of the payload, number of the request


class Submit(Record, frozen=True, tag="submit"):
    """Take transactions in."""

    transactions: tuple[bytes, ...]
    until_final: bool
    request: str = ""  # the correlation id
    trace: str = ""  # the W3C trace context, where traces are made


class ResultOf(Record, frozen=True, tag="result"):
    """What is known of a transaction."""

    identity: Hash


class Seal(Record, frozen=True, tag="seal"):
    """The newest seal, at best of a block at or above a height, and where the ledger stands."""

    at_least: int = 0


class Sealed(Record, frozen=True):
    """The answer to ``Seal``: the seal and the height it is of (empty and 0 where nothing is sealed yet), the committed
    height, and the time in ms that validity is counted from.
    """

    seal: bytes
    height: int
    time_ms: int
    ledger_height: int


class Measure(Record, frozen=True, tag="measure"):
    """The ledger process's figures; the answer is ``Figures``."""


class Ready(Record, frozen=True, tag="ready"):
    """The API answers from now on."""


class ResultRecord(Record, frozen=True):
    """A ``Result`` on the link."""

    identity: bytes
    status: str
    height: int
    leaf: int
    failure: Failure | None


class NextBlock(Record, frozen=True, tag="next_block"):
    """Answer once there is a block above a height: with the height of the newest."""

    after: int


class LightBlockAt(Record, frozen=True, tag="light_block"):
    """The signed header of a height, with its validators."""

    height: int


class LightBlockFound(Record, frozen=True):
    """The answer to ``LightBlockAt``: a light block, encoded; empty where there is none, or none can be had just now."""

    block: bytes
    is_available: bool


class Prove(Record, frozen=True, tag="prove"):
    """Proofs for keys of the state; the answer is ``KeyProofs``."""

    keys: tuple[bytes, ...]


class AskEngine(Record, frozen=True, tag="ask_engine"):
    """What engines of nodes that join ask (see ``engine.cometbft.relay``)."""

    method: str
    parameters: dict[str, str]


class EngineSaid(Record, frozen=True):
    """The answer to ``AskEngine``: the engine's result as JSON, or its refusal; both empty where it cannot be asked."""

    result: bytes
    refusal: str


Request = Submit | ResultOf | Seal | Measure | Ready | NextBlock | LightBlockAt | Prove | AskEngine
_REQUEST: Final = msgspec.msgpack.Decoder(Request)
_RESULTS: Final = msgspec.msgpack.Decoder(tuple[ResultRecord, ...])
_SEALED: Final = msgspec.msgpack.Decoder(Sealed)
_HEIGHT: Final = msgspec.msgpack.Decoder(int)
_FIGURES: Final = msgspec.msgpack.Decoder(Figures)
_LIGHT_BLOCK: Final = msgspec.msgpack.Decoder(LightBlockFound)
_PROOFS: Final = msgspec.msgpack.Decoder(KeyProofs)
_ENGINE_SAID: Final = msgspec.msgpack.Decoder(EngineSaid)


def _to_record(result: Result) -> ResultRecord:
    return ResultRecord(result.identity, result.status.value, result.height, result.leaf, result.failure)


def _from_record(record: ResultRecord) -> Result:
    return Result(record.identity, Status(record.status), record.height, record.leaf, record.failure)


async def _read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    size, number = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    return number, await reader.readexactly(size)


def _write_frame(writer: asyncio.StreamWriter, number: int, payload: bytes) -> None:
    writer.write(_HEAD.pack(len(payload), number) + payload)


class LedgerEnd:
    """The ledger's side: answers requests from the gateway. ``on_ready`` is called when the API answers.

    Without ``light`` there are neither signed headers nor proofs.
    """

    def __init__(
        self, gateway: Gateway, seal: Callable[[int], Awaitable[Sealed]], figures: Callable[[], Figures],
        on_ready: Callable[[], None] = lambda: None, tracer: Tracer = NO_TRACES, light: LightSource | None = None,
    ) -> None:  # fmt: skip
        self._gateway = gateway
        self._light = light
        self._seal, self._figures, self._on_ready, self._tracer = seal, figures, on_ready, tracer
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, connection: socket.socket) -> None:
        """Answer until the other side closes. Raises what an answer raised: the node must stop then."""
        reader, writer = await asyncio.open_connection(sock=connection)
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        reading = asyncio.create_task(self._read(reader, writer, failed), name="traco-link")
        try:
            await asyncio.wait((reading, failed), return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                failed.result()
            await reading
        finally:
            await self._close(reading, failed, writer)

    async def _read(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, failed: "asyncio.Future[None]"
    ) -> None:
        def ended(task: "asyncio.Task[None]") -> None:
            self._tasks.discard(task)
            error = None if task.cancelled() else task.exception()
            # that the gateway has stopped is told by whoever made it stop, with the reason
            if error is not None and not isinstance(error, GatewayStopped) and not failed.done():
                failed.set_exception(error)

        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                number, payload = await _read_frame(reader)
                task = asyncio.create_task(self._answer(writer, number, _REQUEST.decode(payload)))
                self._tasks.add(task)
                task.add_done_callback(ended)

    async def _close(
        self, reading: "asyncio.Task[None]", failed: "asyncio.Future[None]", writer: asyncio.StreamWriter
    ) -> None:
        """Nobody is there to be answered any more; what was submitted goes its way without its submitter."""
        failed.cancel()
        tasks = (reading, *self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _answer(self, writer: asyncio.StreamWriter, number: int, request: Request) -> None:
        answer: Any
        if isinstance(request, Submit):
            REQUEST.set(request.request)
            with self._tracer.submission(request.trace, request.request, len(request.transactions)):
                results = await self._gateway.submit(request.transactions, request.until_final)
            answer = tuple(map(_to_record, results))
        elif isinstance(request, ResultOf):
            found = self._gateway.result(request.identity)
            answer = () if found is None else (_to_record(found),)
        elif isinstance(request, Seal):
            answer = await self._seal(request.at_least)
        elif isinstance(request, Measure):
            answer = self._figures()
        elif isinstance(request, NextBlock):
            answer = await self._gateway.next_block(request.after)
        elif isinstance(request, LightBlockAt):
            answer = await self._light_block(request.height)
        elif isinstance(request, Prove):
            answer = KeyProofs(bytes(32), ()) if self._light is None else self._light.prove(request.keys)
        elif isinstance(request, AskEngine):
            answer = await self._ask_engine(request)
        else:
            self._on_ready()
            answer = None
        _write_frame(writer, number, encode(answer))

    async def _light_block(self, height: int) -> LightBlockFound:
        try:
            found = None if self._light is None else await self._light.light_block(height)
        except LightUnavailable:
            return LightBlockFound(b"", False)
        return LightBlockFound(b"" if found is None else encode(found), True)

    async def _ask_engine(self, request: AskEngine) -> EngineSaid:
        try:
            if self._light is None:
                return EngineSaid(b"", "no engine signs headers here")
            found = await self._light.relayed(request.method, request.parameters)
        except LightUnavailable:
            return EngineSaid(b"", "")
        except EngineRefused as refused:
            return EngineSaid(b"", refused.text)
        return EngineSaid(msgspec.json.encode(found), "")


class LedgerGone(RuntimeError):
    """The ledger process closed the link: the node is stopping, or has to be started again."""

    def __init__(self) -> None:
        super().__init__("the ledger process has ended")


class ApiEnd:
    """The API's side: asks the ledger. ``on_gone`` is called once when the ledger has closed the link."""

    def __init__(self, on_gone: Callable[[], None] = lambda: None) -> None:
        self._number = 0
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._listener: asyncio.Task[None] | None = None
        self._on_gone = on_gone
        self.trace: Callable[[], str] = lambda: ""  # the trace context to send with a submission

    async def connect(self, connection: socket.socket) -> None:
        """Attach to the running event loop."""
        self._reader, self._writer = await asyncio.open_connection(sock=connection)
        self._listener = asyncio.create_task(self._listen(), name="traco-link")

    async def close(self) -> None:
        """Close the link; whoever still waits gets ``LedgerGone``."""
        if self._listener is None:
            return
        self._listener.cancel()
        await asyncio.gather(self._listener, return_exceptions=True)
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    async def submit(self, transactions: tuple[bytes, ...], until_final: bool) -> list[Result]:
        """As ``Gateway.submit``. Raises ``LedgerGone``."""
        answer = await self._ask(Submit(transactions, until_final, REQUEST.get(), self.trace()))
        return [_from_record(record) for record in _RESULTS.decode(answer)]

    async def result(self, identity: bytes) -> Result | None:
        """As ``Gateway.result``. Raises ``LedgerGone``."""
        found = _RESULTS.decode(await self._ask(ResultOf(identity)))
        return _from_record(found[0]) if found else None

    async def seal(self, at_least: int = 0) -> Sealed:
        """The newest seal, at best of a block at or above a height. Raises ``LedgerGone``."""
        return _SEALED.decode(await self._ask(Seal(at_least)))

    async def figures(self) -> Figures:
        """The ledger process's figures. Raises ``LedgerGone``."""
        return _FIGURES.decode(await self._ask(Measure()))

    async def next_block(self, after: int) -> int:
        """As ``Gateway.next_block``. Raises ``LedgerGone``."""
        return _HEIGHT.decode(await self._ask(NextBlock(after)))

    async def light_block(self, height: int) -> LightBlockFound:
        """The signed header of a height, with its validators, for light clients. Raises ``LedgerGone``."""
        return _LIGHT_BLOCK.decode(await self._ask(LightBlockAt(height)))

    async def ask_engine(self, method: str, parameters: dict[str, str]) -> EngineSaid:
        """What the engine says to another one that joins. Raises ``LedgerGone``."""
        return _ENGINE_SAID.decode(await self._ask(AskEngine(method, parameters)))

    async def prove(self, keys: tuple[bytes, ...]) -> KeyProofs:
        """Proofs for keys of the newest state, which this process may not read yet. Raises ``LedgerGone``."""
        return _PROOFS.decode(await self._ask(Prove(keys)))

    async def ready(self) -> None:
        """Say that the API answers from now on. Raises ``LedgerGone``."""
        await self._ask(Ready())

    async def _ask(self, request: Request) -> bytes:
        if self._listener is None or self._listener.done():
            raise LedgerGone
        self._number += 1
        number, future = self._number, asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            _write_frame(self._writer, number, encode(request))
            answer: bytes = await future
            return answer
        finally:
            self._waiting.pop(number, None)

    async def _listen(self) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    number, payload = await _read_frame(self._reader)
                    future = self._waiting.get(number)  # none where the one who asked has gone
                    if future is not None and not future.done():
                        future.set_result(payload)
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(LedgerGone())
            self._on_gone()
