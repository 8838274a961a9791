"""Who may use a route: every route says whom it admits, and what does not say so is refused.

    @get("/v1/something", opt=admits(Admits.PRINCIPAL))
    async def something(request: Request) -> ...:
        principal = principal_of(request)

Whom a route admits is not yet what it answers: what of the ledger a party sees is decided in ``visibility``.
"""

import asyncio
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from traco.node.api.authentication import Principals
from traco.node.api.limits import AtOnce, Rates
from traco.node.api.origins import origin_of
from traco.node.api.principals import LOCAL, AccessDenied, Principal, Role, set_principal
from traco.node.api.problems import Problem
from traco.node.api.settings import ApiLimits

_OPT: Final = "traco_admits"
_STREAM: Final = "traco_stream"
_BRACKETS: Final = re.compile(rb'["\\\[\]{}]')


class Admits(StrEnum):
    """Whom a route admits."""

    EVERYBODY = "everybody"  # without a token: it holds nothing of anybody's business
    PRINCIPAL = "principal"  # every principal; what it sees is filtered
    SUBMITTER = "submitter"  # a principal whose token may submit
    AUDITOR = "auditor"  # whoever reads everything: auditors and operators
    OPERATOR = "operator"  # whoever sees the node's inside


def admits(whom: Admits) -> dict[str, Any]:
    """The ``opt`` of a route."""
    return {_OPT: whom}


def admits_stream(whom: Admits) -> dict[str, Any]:
    """The ``opt`` of a route whose answers do not end by themselves: they are counted apart from the others."""
    return {_OPT: whom, _STREAM: True}


def admitted(opt: dict[str, Any]) -> Admits | None:
    """Whom a route admits by its ``opt``; None where it does not say."""
    return opt.get(_OPT)


class Counters:
    """What is counted over all routes. Litestar makes a middleware for each route, so they share one of these."""

    def __init__(self, limits: ApiLimits, now: Callable[[], float] | None = None) -> None:
        clock = now or _loop_time
        self.limits = limits
        self.rates = Rates(limits.requests_per_second, limits.request_burst, clock)
        self.addresses = Rates(limits.anonymous_per_second, limits.anonymous_burst, clock)
        self.at_once = AtOnce(
            "limit.requests", "requests", limits.requests_at_once, limits.requests_at_once_all
        )
        self.streams = AtOnce("limit.streams", "streams", limits.streams, limits.streams_all)


class Admission:
    """ASGI middleware behind the guard: finds the principal, holds it against the route and the limits."""

    def __init__(self, app: ASGIApp, principals: Principals, counters: Counters) -> None:
        self._app = app
        self._principals = principals
        self._counters = counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or raise ``Problem``."""
        if scope["type"] != ScopeType.HTTP or scope["method"] == "OPTIONS":
            await self._app(
                scope, receive, send
            )  # OPTIONS tells the methods of a route, which are in the reference
            return
        whom = admitted(scope["route_handler"].opt)
        if whom is None:
            raise AccessDenied(
                "access.undeclared", "nobody may use this route, because it does not say who may",
                "Tell the developers: this is a fault of the node's software.", 403,
            )  # fmt: skip
        body = _bounded_json(scope, receive, self._counters.limits)
        if whom is Admits.EVERYBODY:
            if self._principals.is_open:
                await self._app(scope, body, send)
                return
            self._counters.addresses.take(_address(scope))
            await self._app(scope, body, send)
            return
        principal = self._admit(scope, whom)
        set_principal(scope, principal)
        counters = self._counters
        under_way = counters.streams if _STREAM in scope["route_handler"].opt else counters.at_once
        with under_way.one(principal.name):
            await self._app(scope, body, send)

    def _admit(self, scope: Scope, whom: Admits) -> Principal:
        authorization = [
            value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"authorization"
        ]
        is_known = self._principals.is_open or self._principals.is_known(authorization)
        if not is_known:
            self._counters.addresses.take(_address(scope))
        try:
            principal = self._principals.of(authorization)
        except AccessDenied:
            if is_known:  # once it held: that must not make it free for ever
                self._counters.addresses.take(_address(scope))
            raise
        if principal is not LOCAL:
            self._counters.rates.take(principal.name)
        _require(principal, whom)
        return principal


def _require(principal: Principal, whom: Admits) -> None:
    """Raises ``AccessDenied`` (403)."""
    if whom is Admits.SUBMITTER and principal.scope != "submit":
        raise AccessDenied(
            "access.scope", "the token may read only", "Make a token with the scope submit, with a key that may sign.", 403
        )  # fmt: skip
    if whom is Admits.OPERATOR and principal.role is not Role.OPERATOR:
        raise AccessDenied(
            "access.role", "only operators of this node may ask this",
            "Ask whoever runs the node; operators are named in its configuration.", 403,
        )  # fmt: skip
    if whom is Admits.AUDITOR and not principal.reads_everything:
        raise AccessDenied(
            "access.role", "only auditors and operators of this node may ask this",
            "Ask whoever runs the node; auditors are named in its configuration.", 403,
        )  # fmt: skip


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return origin_of("" if client is None else str(client[0]))


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


def _bounded_json(scope: Scope, receive: Receive, limits: ApiLimits) -> Receive:
    """The body, counted where it is JSON. Raises ``Problem`` where it is too long (413) or nested too deeply (400)."""
    kind = next((value for name, value in scope["headers"] if name.lower() == b"content-type"), b"")
    if b"json" not in kind.lower():
        return receive
    counted = _JsonBounds(limits.json_bytes, limits.json_depth)

    async def next_message() -> Any:
        message: Any = await receive()
        if message["type"] == "http.request":
            counted.add(message.get("body", b""))
        return message

    return next_message


class _JsonBounds:
    """Counts the bytes of a body, and how deeply its brackets nest, as it arrives."""

    def __init__(self, most_bytes: int, most_depth: int) -> None:
        self._most_bytes, self._most_depth = most_bytes, most_depth
        self._bytes = self._depth = 0
        self._in_text = False
        self._escaped = -1  # where the byte behind a backslash is, counted from the beginning

    def add(self, chunk: bytes) -> None:
        """The next part of the body. Raises ``Problem``."""
        start, self._bytes = self._bytes, self._bytes + len(chunk)
        if self._bytes > self._most_bytes:
            raise Problem(
                413, "request.too_large", f"the body is longer than {self._most_bytes} bytes",
                advice="Ask for less at a time.",
            )  # fmt: skip
        for found in _BRACKETS.finditer(chunk):
            self._count(found[0], start + found.start())
            if self._depth > self._most_depth:
                raise Problem(400, "request.too_deep", f"the body nests deeper than {self._most_depth}")

    def _count(self, sign: bytes, place: int) -> None:
        if place == self._escaped:
            return
        if sign == b'"':
            self._in_text = not self._in_text
        elif sign == b"\\":
            self._escaped = place + 1 if self._in_text else -1
        elif not self._in_text:
            self._depth += 1 if sign in (b"[", b"{") else -1
