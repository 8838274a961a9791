"""The link between the ledger process and the API process: framed messages over a socket pair that both inherit.

Nobody else can reach it: it has no address. Requests are numbered; answers may come in any order.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from traco.kernel.codec import Hash, Record, encode
from traco.kernel.errors import Failure
from traco.node.gateway import Gateway, Result, Status

_HEAD: Final = struct.Struct(">IQ")  # length of the payload, number of the request


class Submit(Record, frozen=True, tag="submit"):
    """Take transactions in."""

    transactions: tuple[bytes, ...]
    until_final: bool


class ResultOf(Record, frozen=True, tag="result"):
    """What is known of a transaction."""

    identity: Hash


class Seal(Record, frozen=True, tag="seal"):
    """The seal of the last block, and where the ledger stands."""


class Sealed(Record, frozen=True):
    """The answer to ``Seal``: a signed checkpoint, the committed height and the node's clock in ms."""

    seal: bytes
    height: int
    time_ms: int


class ResultRecord(Record, frozen=True):
    """A ``Result`` on the link."""

    identity: bytes
    status: str
    height: int
    leaf: int
    failure: Failure | None


Request = Submit | ResultOf | Seal
_REQUEST: Final = msgspec.msgpack.Decoder(Request)
_RESULTS: Final = msgspec.msgpack.Decoder(tuple[ResultRecord, ...])
_SEALED: Final = msgspec.msgpack.Decoder(Sealed)


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
    """The ledger's side: answers requests from the gateway."""

    def __init__(self, gateway: Gateway, seal: Callable[[], Sealed]) -> None:
        self._gateway = gateway
        self._seal = seal
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, connection: socket.socket) -> None:
        """Answer until the other side closes."""
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            while True:
                number, payload = await _read_frame(reader)
                task = asyncio.create_task(self._answer(writer, number, _REQUEST.decode(payload)))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, number: int, request: Request) -> None:
        answer: Any
        if isinstance(request, Submit):
            results = await self._gateway.submit(request.transactions, request.until_final)
            answer = tuple(map(_to_record, results))
        elif isinstance(request, ResultOf):
            found = self._gateway.result(request.identity)
            answer = () if found is None else (_to_record(found),)
        else:
            answer = self._seal()
        _write_frame(writer, number, encode(answer))


class LedgerGone(RuntimeError):
    """The ledger process closed the link: the node is stopping, or has to be started again."""


class ApiEnd:
    """The API's side: asks the ledger."""

    def __init__(self) -> None:
        self._number = 0
        self._waiting: dict[int, asyncio.Future[bytes]] = {}

    async def connect(self, connection: socket.socket) -> None:
        """Attach to the running event loop."""
        self._reader, self._writer = await asyncio.open_connection(sock=connection)
        self._listener = asyncio.create_task(self._listen())

    async def submit(self, transactions: tuple[bytes, ...], until_final: bool) -> list[Result]:
        """As ``Gateway.submit``. Raises ``LedgerGone``."""
        answer = await self._ask(Submit(transactions, until_final))
        return [_from_record(record) for record in _RESULTS.decode(answer)]

    async def result(self, identity: bytes) -> Result | None:
        """As ``Gateway.result``. Raises ``LedgerGone``."""
        found = _RESULTS.decode(await self._ask(ResultOf(identity)))
        return _from_record(found[0]) if found else None

    async def seal(self) -> Sealed:
        """The seal of the last block. Raises ``LedgerGone``."""
        return _SEALED.decode(await self._ask(Seal()))

    async def _ask(self, request: Request) -> bytes:
        self._number += 1
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = future
        if self._listener.done():
            raise LedgerGone("the ledger process has ended")
        _write_frame(self._writer, self._number, encode(request))
        return await future

    async def _listen(self) -> None:
        try:
            while True:
                number, payload = await _read_frame(self._reader)
                self._waiting.pop(number).set_result(payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(LedgerGone("the ledger process has ended"))
