"""The HTTP protocol of the interface: uvicorn's, with an end to its patience.

uvicorn waits for ever for the first request of a connection, for the rest of one that began, and for a client to take its
answer. As connections are limited, a few hundred silent ones would lock everybody out. So would one address that keeps
hundreds of them busy with nothing; therefore each address has so many and no more.
"""

import asyncio
from collections import Counter
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from traco.node.api.origins import is_loopback, origin_of


class PatientProtocol(H11Protocol):
    """Closes a connection that has sent no complete request header within ``header_seconds``, or takes nothing of an
    answer for ``answer_seconds``.

    The time runs from when the connection is made, and again from the first bytes that follow a complete request; more
    bytes do not extend it. Bodies are the guard's (``BODY_SECONDS``), and silence between requests is uvicorn's.
    """

    header_seconds: ClassVar[float] = 10.0
    answer_seconds: ClassVar[float] = 60.0
    most_of_one_origin: ClassVar[int] = 128  # connections; of this machine itself, any number
    _open: ClassVar[Counter[str]] = Counter()
    _origin: str | None = None
    _header_timer: asyncio.TimerHandle | None = None
    _answer_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time; or close at once what is too many of one origin."""
        super().connection_made(transport)
        if self._count(transport):
            self._await_header()
        else:
            transport.abort()

    def _count(self, transport: asyncio.Transport) -> bool:
        """Count a connection from elsewhere; whether it is one that its origin may have."""
        peer = transport.get_extra_info("peername")
        host = str(peer[0]) if isinstance(peer, tuple) else ""
        if not host or is_loopback(host):
            return True
        self._origin = origin_of(host)
        self._open[self._origin] += 1
        return self._open[self._origin] <= self.most_of_one_origin

    def data_received(self, data: bytes) -> None:
        """Stop the time where a request is complete, and start it where one has begun."""
        super().data_received(data)
        # uvicorn's annotation leaves out that there is no cycle before the first request
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[redundant-expr]
            self._stop_waiting()
        elif not self.transport.is_closing():
            self._await_header()

    def pause_writing(self) -> None:
        """The client is behind: start its time. What it has not taken by then is thrown away with the connection."""
        super().pause_writing()
        self._forget_answer_timer()
        self._answer_timer = self.loop.call_later(self.answer_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has taken enough: stop its time."""
        self._forget_answer_timer()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the time and the connection."""
        self._stop_waiting()
        self._forget_answer_timer()
        if self._origin is not None:
            self._open[self._origin] -= 1
            if not self._open[self._origin]:
                del self._open[self._origin]
            self._origin = None
        super().connection_lost(exc)

    def _forget_answer_timer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    def _await_header(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self.header_seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None
