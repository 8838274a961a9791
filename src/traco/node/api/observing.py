"""What is noted about every request: its correlation id, its time, one line in the log where that is wanted, its span.

Stands before everything else, so that requests that fit no route, or are refused, count as well. Noted are method, route
template, status, duration and party; never the path itself, the query, headers or body: they are the caller's business.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from traco.node.api.principals import principal_of
from traco.node.logs import REQUEST, request_id
from traco.node.metrics import NO_ROUTE, ApiMeter
from traco.node.tracing import NO_TRACES, Tracer

HEADER: Final = b"x-request-id"
STREAM: Final = b"text/event-stream"

log = logging.getLogger("traco.access")


class Observed:
    """ASGI application around another one. ``log_access``: write a line for each answered request."""

    def __init__(
        self, app: ASGIApp, meter: ApiMeter, log_access: bool = False, tracer: Tracer = NO_TRACES,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:  # fmt: skip
        self._app, self._meter, self._log_access, self._tracer, self._clock = (
            app,
            meter,
            log_access,
            tracer,
            clock,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        identity = request_id(headers[HEADER].decode("latin-1") if HEADER in headers else None)
        begun, answer = self._clock(), _Answer(send, identity.encode(), self._meter)
        token = REQUEST.set(identity)
        self._meter.begin()
        try:
            with self._tracer.request(_method(scope), headers.get(b"traceparent")) as span:
                await self._app(scope, receive, answer.send)
                span.end(_route(scope), answer.status, identity)
        finally:
            seconds = self._clock() - begun
            self._meter.end(_method(scope), _route(scope), answer.status, seconds, answer.is_stream)
            if self._log_access:
                self._write(scope, answer.status, seconds)
            REQUEST.reset(token)

    def _write(self, scope: Scope, status: int, seconds: float) -> None:
        fields = {
            "method": _method(scope), "route": _route(scope), "status": status, "ms": round(seconds * 1000, 1),
            "party": _party(scope),
        }  # fmt: skip
        log.info("%(method)s %(route)s %(status)d %(ms).1f ms %(party)s", fields, extra={"fields": fields})


class _Answer:
    """Watches the answer go by, and adds the correlation id to it."""

    def __init__(self, send: Send, identity: bytes, meter: ApiMeter) -> None:
        self._send, self._identity, self._meter = send, identity, meter
        self.status = 0
        self.is_stream = False

    async def send(self, message: Message) -> None:
        """One message of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers: Any = list(message["headers"])
            if any(name.lower() == b"content-type" and value.startswith(STREAM) for name, value in headers):
                self.is_stream = True
                self._meter.begin_stream()
            message["headers"] = [*headers, (HEADER, self._identity)]
        await self._send(message)


def observe(app: Litestar, meter: ApiMeter, log_access: bool = False, tracer: Tracer = NO_TRACES) -> None:
    """Have everything noted that ``app`` answers."""
    app.asgi_handler = Observed(app.asgi_handler, meter, log_access, tracer)


def _party(scope: Scope) -> str:
    """The id of the principal's party; ``-`` where there is none."""
    try:
        party = principal_of(ASGIConnection(scope)).party
    except KeyError:
        return "-"
    return party.hex() if party else "-"


def _method(scope: Scope) -> str:
    return str(scope.get("method", ""))


def _route(scope: Scope) -> str:
    return str(scope.get("path_template") or NO_ROUTE)
