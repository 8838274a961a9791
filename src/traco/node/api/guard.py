"""Who may ask the REST interface, and for how long: what stands before the routes.

The interface listens on the loopback address and knows no users yet, so everything on the machine may ask; but pages in
a browser on this machine run there too. They are kept out by the name they think they talk to (a page of another site
can make its own name resolve to 127.0.0.1) and by the origin that browsers add.
"""

import asyncio
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from traco.node.api.problems import Problem, problem_response

LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
BODY_SECONDS: Final = 20.0  # for a request's body to arrive


class Guard:
    """ASGI middleware: refuses requests for other hosts or from pages of other sites, and ends slow ones."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        headers = [(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        hosts = [value for name, value in headers if name == b"host"]
        origins = [value for name, value in headers if name == b"origin"]
        if len(hosts) != 1 or not _is_loopback(hosts[0]):
            await self._refuse("request.host", "this interface is for 127.0.0.1 only", scope, receive, send)
        elif any(origin != f"http://{hosts[0]}" for origin in origins):
            await self._refuse(
                "request.origin", "pages of other sites may not ask this interface", scope, receive, send
            )
        else:
            await self._app(scope, _in_time(receive), send)

    async def _refuse(self, code: str, detail: str, scope: Scope, receive: Receive, send: Send) -> None:
        answer = problem_response(403, code, detail)
        await answer.to_asgi_response(app=None, request=None)(scope, receive, send)  # type: ignore[arg-type]


def _is_loopback(host: str) -> bool:
    name, _, port = host.rpartition(":")
    return host.lower() in LOOPBACK_NAMES or (
        name.lower() in LOOPBACK_NAMES and port.isascii() and port.isdigit()
    )


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
