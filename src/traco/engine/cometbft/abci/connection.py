"""One connection of the engine: frames in, answers out in the same order, however many threads work in between.

    bytes -> requests -> (echo, flush, what the handler answers at once)          -> answers, one write
                      -> all others that have come, in one batch to the ledger    ->

While the ledger has a batch, further requests wait here; beyond a number of bytes the socket is not read any more.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Final, Protocol, cast

from traco.engine.cometbft.abci.frames import FrameReader
from traco.engine.cometbft.abci.messages import (
    RequestEcho,
    RequestFlush,
    ResponseEcho,
    ResponseException,
    ResponseFlush,
    decode_request,
    encode_response,
)
from traco.engine.cometbft.abci.remainder import LONG_BYTES, RemainderReader
from traco.engine.cometbft.abci.wire import Message, WireError

log = logging.getLogger("traco.engine.abci")

_FLUSHED: Final = encode_response(ResponseFlush())


class Office(Protocol):
    """Where requests are answered."""

    def answer_at_once(self, request: Message) -> Message | None:
        """The answer to a request that does not need the ledger. Called in the server's thread."""

    def hand_over(self, connection: "Connection", requests: Sequence[Message]) -> "Future[list[Message]]":
        """Have the ledger answer requests in order, one answer each."""

    def joined(self, connection: "Connection") -> None:
        """The connection has begun."""

    def left(self, connection: "Connection") -> None:
        """The connection has ended."""


class Connection(asyncio.Protocol):
    """Lives in the server's event loop. ``lost`` is true once it has ended; nothing of it is answered then."""

    def __init__(self, office: Office, max_frame_bytes: int, max_waiting_bytes: int) -> None:
        self._office = office
        self._frames = FrameReader(max_frame_bytes)
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting: list[Message] = []
        self._waiting_bytes = 0
        self._violation: WireError | None = None
        self._handed: Future[list[Message]] | None = None
        self._writable = True
        self._reading = True
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The engine has connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._remainder = RemainderReader(transport.get_extra_info("socket").fileno())
        self._office.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The engine, or this side, has ended it: what was not answered is not wanted any more."""
        self.lost = True
        self._remainder.close()
        self._waiting.clear()
        if self._handed is not None:
            self._handed.cancel()
        self._office.left(self)

    def pause_writing(self) -> None:
        """The engine does not read: nothing more is answered for now."""
        self._writable = False

    def resume_writing(self) -> None:
        """The engine reads again."""
        self._writable = True
        self._advance()

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self.lost or self._violation is not None:
            return
        self._take(data)
        self._advance()
        if self._frames.missing >= LONG_BYTES and self._violation is None:
            self._take(self._remainder.read(self._frames.missing))
            self._advance()
        self._set_reading()

    def _take(self, data: bytes) -> None:
        """Requests that are complete with these bytes."""
        try:
            for payload in self._frames.feed(data):
                self._waiting.append(decode_request(payload))
                self._waiting_bytes += len(payload)
        except WireError as error:
            self._violation = error

    def _set_reading(self) -> None:
        wanted = self._violation is None and self._waiting_bytes <= self._max_waiting_bytes
        if self._transport.is_closing() or wanted == self._reading:
            return
        self._reading = wanted
        if wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _advance(self) -> None:
        """Answer what waits, or hand it over; one batch at a time, so that the order stays."""
        if self.lost or self._handed is not None or not self._writable:
            return
        requests, self._waiting, self._waiting_bytes = self._waiting, [], 0
        answers = [self._at_once(request) for request in requests]
        open_requests = [request for request, answer in zip(requests, answers, strict=True) if answer is None]
        if open_requests:
            self._handed = self._office.hand_over(self, open_requests)
            loop = asyncio.get_running_loop()
            self._handed.add_done_callback(partial(_tell, loop, partial(self._answered, answers)))
        else:
            self._finish(b"".join(answer for answer in answers if answer is not None))

    def _at_once(self, request: Message) -> bytes | None:
        if isinstance(request, RequestFlush):
            return _FLUSHED
        if isinstance(request, RequestEcho):
            return encode_response(ResponseEcho(request.message))
        answer = self._office.answer_at_once(request)
        return None if answer is None else encode_response(answer)

    def _answered(self, answers: list[bytes | None], handed: "Future[list[Message]]") -> None:
        """The ledger has answered a batch, or will not."""
        self._handed = None
        if self.lost:
            return
        if handed.cancelled() or handed.exception() is not None:
            self._transport.abort()  # why is the server's business, which was told as well
            return
        given = iter(handed.result())
        self._finish(
            b"".join(encode_response(next(given)) if answer is None else answer for answer in answers)
        )
        self._advance()
        self._set_reading()

    def _finish(self, written: bytes) -> None:
        if written:
            self._transport.write(written)
        if self._violation is not None and not self._waiting:
            log.error(
                "the engine sent what is not ABCI (%s): %s; its connection is closed",
                self._violation.code, self._violation,
            )  # fmt: skip
            self._transport.write(encode_response(ResponseException(str(self._violation))))
            self._transport.close()

    def abort(self) -> None:
        """End it now."""
        self._transport.abort()


def _tell(
    loop: asyncio.AbstractEventLoop,
    answered: Callable[["Future[list[Message]]"], None],
    handed: "Future[list[Message]]",
) -> None:
    """Called in whichever thread ended a batch: go on in the server's, if it is still there."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(answered, handed)
