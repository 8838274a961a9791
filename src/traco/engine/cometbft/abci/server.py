"""The ABCI socket server: a unix socket that the engine dials, read in a thread of its own.

    server = AbciServer(socket_path, adapter, on_halt)
    await server.start()        in the ledger's event loop, before the engine is started
    await server.stop()         in the end, when the engine has ended

An engine may end and another take its place: what the first left unfinished ends before the second is answered.

A block may keep the ledger's event loop busy for seconds. The engine refuses peers whose filter is not answered in five, so
sockets are read, and filters answered, in the thread here; everything else is answered in the ledger's loop.
"""

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

from traco.engine.cometbft.abci.connection import Connection
from traco.engine.cometbft.abci.frames import MAX_FRAME_BYTES
from traco.engine.cometbft.abci.wire import Message

log = logging.getLogger("traco.engine.abci")

MAX_WAITING_BYTES: Final = 16_777_216
"""Requests of one connection that wait while the ledger is busy; beyond it the socket is not read."""

SWITCH_SECONDS: Final = 0.0005
"""How long the thread that reads waits at most for the interpreter while a block is executed. With Python's own 5 ms the
engine waits, and burns a core (see ``remainder``), ten times as long."""

MAX_CONNECTIONS: Final = 16  # the engine opens four; those of one that was killed may linger a moment


class Handler(Protocol):
    """What answers the engine."""

    def answer_at_once(self, request: Message) -> Message | None:
        """The answer to a request that does not need the ledger, else None. Called in the server's thread."""

    async def answer(self, requests: Sequence[Message]) -> list[Message]:
        """One answer per request, in order. Called in the ledger's loop; cancelled when the engine has gone.

        An exception means that this node must stop.
        """


class AbciServer:
    """Serves one engine at a time. ``on_halt`` is called once, in the ledger's loop, with what the handler raised."""

    def __init__(
        self, path: Path, handler: Handler, on_halt: Callable[[BaseException], None],
        max_frame_bytes: int = MAX_FRAME_BYTES, max_waiting_bytes: int = MAX_WAITING_BYTES,
    ) -> None:  # fmt: skip
        self._path = path
        self._handler = handler
        self._on_halt = on_halt
        self._limits = max_frame_bytes, max_waiting_bytes
        self._connections: set[Connection] = set()  # of the server's thread
        self._answering: dict[asyncio.Task[Any], Connection] = {}  # of the ledger's loop
        self._halted = False
        self.answer_at_once = handler.answer_at_once

    async def start(self) -> None:
        """Listen. Call in the ledger's loop. Raises ``OSError`` where the socket cannot be made."""
        self._ledger = asyncio.get_running_loop()
        self._switch_before = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS)
        ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(ready)), name="traco-abci", daemon=True
        )
        self._thread.start()
        await asyncio.wrap_future(ready)

    async def _serve(self, ready: "Future[None]") -> None:
        """The life of the server's thread."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._failed_in_thread)
        self._stopping = asyncio.Event()
        try:
            listener = await self._loop.create_unix_server(self._accept, self._path)
        except OSError as error:
            ready.set_exception(error)
            return
        ready.set_result(None)
        try:
            await self._stopping.wait()
        finally:
            listener.close()
            await self._end_connections()
            with suppress(FileNotFoundError):
                self._path.unlink()

    def _accept(self) -> asyncio.Protocol:
        if self._halted or len(self._connections) >= MAX_CONNECTIONS:
            return _Refused()
        return Connection(self, *self._limits)

    def joined(self, connection: Connection) -> None:
        """A connection has begun."""
        self._connections.add(connection)
        if self._halted or self._stopping.is_set():
            connection.abort()

    def left(self, connection: Connection) -> None:
        """A connection has ended."""
        self._connections.discard(connection)

    def hand_over(self, connection: Connection, requests: Sequence[Message]) -> "Future[list[Message]]":
        """Have the ledger answer requests in order. Called in the server's thread."""
        return asyncio.run_coroutine_threadsafe(self._answer(connection, requests), self._ledger)

    async def _answer(self, connection: Connection, requests: Sequence[Message]) -> list[Message]:
        """In the ledger's loop. Whatever is raised stops the node: a block half answered must not be followed by more."""
        task = asyncio.current_task()
        if task is None or self._halted or connection.lost:
            raise asyncio.CancelledError
        await self._end_answering([task for task, asking in self._answering.items() if asking.lost])
        self._answering[task] = connection
        try:
            answers = await self._handler.answer(requests)
        except BaseException as error:
            if isinstance(error, Exception):
                self._halt(error)
            raise
        finally:
            del self._answering[task]
        if self._halted:
            raise asyncio.CancelledError
        return answers

    def _halt(self, error: BaseException) -> None:
        """In the ledger's loop: nothing is answered from now on."""
        if self._halted:
            return
        self._halted = True
        log.critical("the ledger cannot answer its engine and ends the connection: %s", error)
        self._loop.call_soon_threadsafe(self._abort_connections)
        self._on_halt(error)

    def _failed_in_thread(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Nothing is expected to fail in the server's thread: a bug there stops the node as one in the ledger does."""
        error = context.get("exception") or RuntimeError(str(context.get("message")))
        self._ledger.call_soon_threadsafe(self._halt, error)

    def _abort_connections(self) -> None:
        for connection in tuple(self._connections):
            connection.abort()

    async def _end_connections(self) -> None:
        self._abort_connections()
        while self._connections:
            await asyncio.sleep(0)

    async def _end_answering(self, tasks: Sequence["asyncio.Task[Any]"]) -> None:
        """End what was asked by an engine that has gone: it must not execute a block after its successor has begun."""
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def stop(self) -> None:
        """End all connections, what is being answered on them, and the thread. Call in the ledger's loop."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        await asyncio.to_thread(self._thread.join)
        sys.setswitchinterval(self._switch_before)
        await self._end_answering(tuple(self._answering))


class _Refused(asyncio.Protocol):
    """A connection that is not wanted."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
