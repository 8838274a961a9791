"""The wire of the synchronous client: its methods block, and ``run`` drives the client's own code over it.

A coroutine over this wire never suspends, so it runs from its beginning to its end in the thread that calls ``run``: there
is no event loop and no thread of its own. So Ctrl-C interrupts where the program waits, threads share a client as they share
its connections, and a fork loses nothing but these: a child makes new ones, because two processes that read from
one connection would take each other's answers.

How long an attempt may take is looked at whenever bytes arrive: silence ends it in time, but a node that sends the head of
an answer byte by byte can hold it longer (``asynchronous_wire`` cannot be held).
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar
from weakref import WeakSet

import httpx

from traco.client.results import ClientClosed
from traco.client.wire import Answer, NoAnswer, Received, attempt_timeout, translated

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine over a ``BlockingWire``."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("this coroutine waits for an event loop: it is not one over a BlockingWire")


class BlockingWire:
    """Requests over an ``httpx.Client`` that ``connect`` makes; for several threads.

    Closing refuses new requests, wakes who waits or reads a stream, and lets requests that are under way have their answer;
    the last of them closes the connections.
    """

    def __init__(self, connect: Callable[[], httpx.Client]) -> None:
        self._connect = connect
        self._begin()
        _WIRES.add(self)

    def _begin(self) -> None:
        self._http = self._connect()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._users = 0
        self._streams: set[BlockingStream] = set()

    def after_fork(self) -> None:
        """In a child: nothing of the parent's connections is touched, not even to close them."""
        _OF_THE_PARENT.append(self._http)
        was_closed = self._closing.is_set()
        self._begin()
        if was_closed:
            self._shut()

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more requests."""
        return self._closing.is_set()

    def now(self) -> float:
        """Seconds of a clock that never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Block this thread; closing wakes it."""
        self._closing.wait(seconds)

    async def aside(self, work: Callable[[], T]) -> T:
        """The result of work that blocks: here everything does."""
        return work()

    async def request(
        self, method: str, url: str, content: bytes | None, headers: Mapping[str, str], seconds: float
    ) -> Answer:
        """One attempt. Raises ``NoAnswer``, ``ClientClosed``."""
        deadline = self.now() + seconds
        with self.used(), translated(lambda: self.is_closed):
            request = self._http.build_request(
                method, url, content=content, headers=headers, timeout=attempt_timeout(seconds)
            )
            response = self._http.send(request, stream=True)
            received = Received()
            try:
                for chunk in response.iter_bytes():
                    received.add(chunk)
                    if self.now() > deadline:
                        raise NoAnswer(f"no whole answer within {seconds:.3g} s", may_have_arrived=True)
            finally:
                response.close()
        return Answer(response.status_code, response.headers, received.whole())

    async def stream(self, url: str, headers: Mapping[str, str], idle_seconds: float) -> "BlockingStream":
        """The answer to a GET as it comes. Raises as ``request``."""
        with self.used(), translated(lambda: self.is_closed):
            timeout = attempt_timeout(idle_seconds)
            request = self._http.build_request("GET", url, headers=headers, timeout=timeout)
            stream = BlockingStream(self, self._http.send(request, stream=True))
            self._streams.add(stream)
            return stream

    async def close(self) -> None:
        """See the class."""
        self._shut()

    def _shut(self) -> None:
        with self._lock:
            if self._closing.is_set():
                return
            self._closing.set()
            is_last = self._users == 0
            streams = tuple(self._streams)
        for stream in streams:
            stream.wake()
        if is_last:
            self._http.close()

    @contextmanager
    def used(self) -> Iterator[None]:
        """While it is used, connections stay open. Raises ``ClientClosed``."""
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def _enter(self) -> None:
        with self._lock:
            if self._closing.is_set():
                raise ClientClosed
            self._users += 1

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            is_last = self._users == 0 and self._closing.is_set()
        if is_last:
            self._http.close()

    def forget(self, stream: "BlockingStream") -> None:
        """A stream was closed."""
        self._streams.discard(stream)


class BlockingStream:
    """An answer whose body is read as it comes; one thread reads it, another may close the wire."""

    def __init__(self, wire: BlockingWire, response: httpx.Response) -> None:
        self._wire = wire
        self._response = response
        self._chunks = response.iter_bytes()
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = response.headers

    async def read(self) -> bytes:
        """The next bytes; empty at the end. Raises ``NoAnswer``, ``ClientClosed``."""
        with self._wire.used(), translated(lambda: self._wire.is_closed):
            chunk = next(self._chunks, b"")
        if self._wire.is_closed:
            raise ClientClosed
        return chunk

    async def close(self) -> None:
        """Give the connection up."""
        self._response.close()
        self._wire.forget(self)

    def wake(self) -> None:
        """End the connection under a thread that waits for bytes: closing its descriptor alone would not wake it."""
        network = self._response.extensions.get("network_stream")
        if network is not None:
            found = network.get_extra_info("socket")
            if isinstance(found, socket.socket):
                with suppress(OSError):  # the node was quicker
                    found.shutdown(socket.SHUT_RDWR)


_WIRES: Final[WeakSet[BlockingWire]] = WeakSet()
_OF_THE_PARENT: Final[list[httpx.Client]] = []
"""Never collected: collecting them would close connections that the parent uses."""


def _after_fork() -> None:
    for wire in tuple(_WIRES):
        wire.after_fork()


os.register_at_fork(after_in_child=_after_fork)
