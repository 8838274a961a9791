"""Answers other members' nodes: one kind of request, bytes in and bytes out, from a caller whose member is certain.

POST /v1/peer    application/octet-stream, at most ``max_bytes``    ->  200 with the answer
                 403 the certificate is not (any more) that of the member in ``traco-member``, or of one alone
                 413 too large, 429 or 503 too much at once
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final

import uvicorn

from traco.node.api.patience import PatientProtocol
from traco.node.api.serving import OwnServer
from traco.node.peering.trust import Trust

if TYPE_CHECKING:
    from litestar.types import Receive, Scope, Send

PATH: Final = "/v1/peer"
MAX_BYTES: Final = 524_288  # of a request or an answer: a payload of the largest size, with room
CALLS_OF_PEER: Final = 16  # at once
CALLS: Final = 256  # of all
BODY_SECONDS: Final = 20.0
KEEP_S: Final = 30  # an idle connection: making one costs ten times what a call does
CERTIFICATE: Final = "traco.certificate"
MEMBER_HEADER: Final = "traco-member"  # whose node calls, as its id in hex

Answerer = Callable[[bytes, bytes], Awaitable[bytes]]
"""From the calling member's id and its request to the answer. Must not raise for anything that a caller can send."""


class PeerProtocol(PatientProtocol):
    """Tells the application the certificate with which the other side proved itself."""

    _open: ClassVar[Counter[str]] = Counter()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember the certificate before the first request."""
        super().connection_made(transport)
        encrypted = transport.get_extra_info("ssl_object")
        certificate = None if encrypted is None else encrypted.getpeercert(True)
        inner = self.app

        async def known(scope: Any, receive: Any, send: Any) -> None:
            scope[CERTIFICATE] = certificate
            await inner(scope, receive, send)

        self.app = known


class PeerApp:
    """The ASGI application: who calls, how much at once, how long; then the answerer."""

    def __init__(self, trust: Trust, answer: Answerer, max_bytes: int = MAX_BYTES) -> None:
        self._trust, self._answer, self._max_bytes = trust, answer, max_bytes
        self._calls: Counter[bytes] = Counter()

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one request."""
        # judged with each request: the connection may be older than the seat's last change
        request: Any = scope
        member = self._trust.member_of(request.get(CERTIFICATE), _named(request["headers"]))
        if member is None:
            await _reply(send, 403)
        elif request["path"] != PATH or request["method"] != "POST":
            await _reply(send, 404)
        elif self._calls.total() >= CALLS:
            await _reply(send, 503)
        elif self._calls[member] >= CALLS_OF_PEER:
            await _reply(send, 429)
        else:
            self._calls[member] += 1
            try:
                await self._serve(member, receive, send)
            finally:
                self._calls[member] -= 1
                if not self._calls[member]:
                    del self._calls[member]

    async def _serve(self, member: bytes, receive: "Receive", send: "Send") -> None:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await self._body(receive)
        except TimeoutError:
            await _reply(send, 408)
            return
        if body is None:
            await _reply(send, 413)
            return
        await _reply(send, 200, await self._answer(member, body))

    async def _body(self, receive: "Receive") -> bytes | None:
        """The whole request; None where it is larger than may be, or the caller went away."""
        parts, size, more = list[bytes](), 0, True
        while more:
            message: Any = await receive()
            if message["type"] != "http.request":
                return None
            part = message.get("body", b"")
            size += len(part)
            if size > self._max_bytes:
                return None
            parts.append(part)
            more = message.get("more_body", False)
        return b"".join(parts)


def _named(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Whom the caller says it is; nobody has the id that stands for what is none."""
    found = [value for name, value in headers if name == MEMBER_HEADER.encode()]
    try:
        return bytes.fromhex(found[0].decode("ascii")) if found else None
    except ValueError:
        return b""


async def _reply(send: "Send", status: int, body: bytes = b"") -> None:
    headers = [
        (b"content-type", b"application/octet-stream"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def peer_server(trust: Trust, answer: Answerer) -> OwnServer:
    """A server for ``serve(sockets=[listener])``; end it with ``should_exit``."""
    app: Any = PeerApp(trust, answer)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", ws="none", http=PeerProtocol, proxy_headers=False,
        server_header=False, limit_concurrency=2 * CALLS, timeout_graceful_shutdown=2, timeout_keep_alive=KEEP_S,
        ssl_context_factory=lambda _config, _make: trust.server,
    )  # fmt: skip
    return OwnServer(config)
