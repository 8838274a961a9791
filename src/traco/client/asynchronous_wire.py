"""The wire of the asynchronous client: it waits in the caller's event loop.

It is for the loop in which it was first used, and not for use after a fork.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import httpx

from traco.client.wire import Answer, NoAnswer, Received, attempt_timeout, translated

T = TypeVar("T")


class AsyncWire:
    """Requests over an ``httpx.AsyncClient``, which it closes."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.is_closed = False

    def now(self) -> float:
        """Seconds of a clock that never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait; others go on."""
        await asyncio.sleep(seconds)

    async def aside(self, work: Callable[[], T]) -> T:
        """The result of work that blocks, done in a thread."""
        return await asyncio.to_thread(work)

    async def request(
        self, method: str, url: str, content: bytes | None, headers: Mapping[str, str], seconds: float
    ) -> Answer:
        """One attempt. Raises ``NoAnswer``, ``ClientClosed``."""
        try:
            async with asyncio.timeout(seconds):
                with translated(lambda: self.is_closed):
                    return await self._request(method, url, content, headers, seconds)
        except TimeoutError:
            raise NoAnswer(f"no answer within {seconds:.3g} s", may_have_arrived=True) from None

    async def _request(
        self, method: str, url: str, content: bytes | None, headers: Mapping[str, str], seconds: float
    ) -> Answer:
        request = self._http.build_request(
            method, url, content=content, headers=headers, timeout=attempt_timeout(seconds)
        )
        response = await self._http.send(request, stream=True)
        received = Received()
        try:
            async for chunk in response.aiter_bytes():
                received.add(chunk)
        finally:
            await response.aclose()
        return Answer(response.status_code, response.headers, received.whole())

    async def stream(self, url: str, headers: Mapping[str, str], idle_seconds: float) -> "AsyncStream":
        """The answer to a GET as it comes. Raises as ``request``."""
        with translated(lambda: self.is_closed):
            timeout = attempt_timeout(idle_seconds)
            request = self._http.build_request("GET", url, headers=headers, timeout=timeout)
            return AsyncStream(self, await self._http.send(request, stream=True))

    async def close(self) -> None:
        """Close the connections; what is under way fails."""
        self.is_closed = True
        await self._http.aclose()


class AsyncStream:
    """An answer whose body is read as it comes."""

    def __init__(self, wire: AsyncWire, response: httpx.Response) -> None:
        self._wire = wire
        self._response = response
        self._chunks = response.aiter_bytes()
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = response.headers

    async def read(self) -> bytes:
        """The next bytes; empty at the end. Raises ``NoAnswer``, ``ClientClosed``."""
        with translated(lambda: self._wire.is_closed):
            return await anext(self._chunks, b"")

    async def close(self) -> None:
        """Give the connection up."""
        await self._response.aclose()
