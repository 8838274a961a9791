"""Which requests reach the interface at all, and for how long: what stands before the routes.

On the loopback address everything on the machine may ask, but pages in a browser on this machine run there too. They are
kept out by the name they think they talk to (a page of another site can make its own name resolve to 127.0.0.1) and by
the origin that browsers add. On another address the names are those that the node is known by.
"""

import asyncio
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from traco.node.api.problems import Problem, problem_response

LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
BODY_SECONDS: Final = 20.0  # for a request's body to arrive
MAX_HEADER_BYTES: Final = 16_384  # names and values together
MAX_TARGET_BYTES: Final = 8_192  # path and query


class Guard:
    """ASGI middleware: refuses requests for other hosts or from pages of other sites, and ends slow ones.

    ``names`` are host names and addresses without a port, in lower case, IPv6 in brackets; ``*.example.com`` stands for one
    label.
    """

    def __init__(self, app: ASGIApp, names: tuple[str, ...] = LOOPBACK_NAMES, scheme: str = "http") -> None:
        self._app = app
        self._names = frozenset(names)
        self._scheme = scheme

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        headers = [(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        hosts = [value for name, value in headers if name == b"host"]
        origins = [value for name, value in headers if name == b"origin"]
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEADER_BYTES:
            detail = f"the headers are longer than {MAX_HEADER_BYTES} bytes together"
            await self._refuse("request.headers_too_long", detail, scope, receive, send, 431)
        elif len(scope["raw_path"]) + len(scope["query_string"]) > MAX_TARGET_BYTES:
            detail = f"path and query are longer than {MAX_TARGET_BYTES} bytes together"
            await self._refuse("request.target_too_long", detail, scope, receive, send, 414)
        elif len(hosts) != 1 or not self._is_own(hosts[0].lower()):
            detail = f"this interface is for {', '.join(sorted(self._names))} only"
            await self._refuse("request.host", detail, scope, receive, send)
        elif any(origin != f"{self._scheme}://{hosts[0]}" for origin in origins):
            await self._refuse(
                "request.origin", "pages of other sites may not ask this interface", scope, receive, send
            )
        else:
            await self._app(scope, _in_time(receive), send)

    async def _refuse(
        self, code: str, detail: str, scope: Scope, receive: Receive, send: Send, status: int = 403
    ) -> None:
        answer = problem_response(status, code, detail)
        await answer.to_asgi_response(app=None, request=None)(scope, receive, send)  # type: ignore[arg-type]

    def _is_own(self, host: str) -> bool:
        name, _, port = host.rpartition(":")
        if port.isascii() and port.isdigit():
            return self._is_name(name) or self._is_name(host)
        return self._is_name(host)

    def _is_name(self, name: str) -> bool:
        _, dot, parent = name.partition(".")
        return name in self._names or (bool(dot) and f"*.{parent}" in self._names)


def _in_time(receive: Receive) -> Receive:
    """Messages of the body within ``BODY_SECONDS`` in all. Raises ``Problem``."""
    deadline = asyncio.get_running_loop().time() + BODY_SECONDS
    complete = False

    async def next_message() -> object:
        nonlocal complete
        if complete:
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise Problem(
                408, "request.timeout", f"the request did not arrive within {BODY_SECONDS:.0f} s"
            ) from None
        if message["type"] == "http.disconnect":
            raise Problem(400, "request.incomplete", "the client went away before the request was complete")
        complete = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    return next_message  # type: ignore[return-value]
