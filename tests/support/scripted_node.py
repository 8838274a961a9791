"""A node that answers what a test lines up, without a network; and clients of both kinds over it that never sleep."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import httpx

from support.ledger import Key
from traco.client.asynchronous import AsyncLedgerClient
from traco.client.asynchronous_wire import AsyncWire
from traco.client.blocking_wire import BlockingWire
from traco.client.ledger import LedgerClient
from traco.client.transport import Patience
from traco.kernel.genesis import Genesis, SealTerms, network_id, write_genesis

GENESIS = Genesis(
    name="Test", purpose="test", time_ms=1, seal=SealTerms("checkpoint", Key("seal").public.hex())
)
NETWORK = network_id(GENESIS)
NOW_MS = 1_790_000_000_000
WINDOW_MS = 600_000
IDENTITY = bytes(range(32))
PAUSES = (0.1, 0.2)

Answer = httpx.Response | Exception


class KeySigner:
    """A test key as the SDK takes signers."""

    def __init__(self, name: str) -> None:
        self._key = Key(name)

    @property
    def public_key(self) -> bytes:
        return self._key.public

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


class ScriptedNode:
    """Answers requests: with the status of a ledger, and otherwise with what a test lined up for a path."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.answers: dict[str, list[Answer]] = {}
        self.waits: list[float] = []
        self.seconds = 0.0  # of the clients' clock, which sleeping and slow answers move

    def line_up(self, path: str, *answers: Answer) -> None:
        """The last one is given again and again."""
        self.answers.setdefault(path, []).extend(answers)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        lined_up = self.answers.get(request.url.path)
        if lined_up:
            answer = lined_up.pop(0) if len(lined_up) > 1 else lined_up[0]
            if isinstance(answer, Exception):
                raise answer
            # a response is read once, and may have to be given again
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        if request.url.path == "/v1/status":
            return httpx.Response(200, json=status())
        if request.url.path == "/v1/genesis":
            return httpx.Response(200, content=write_genesis(GENESIS))
        return problem(404, "transaction.unknown")

    def sent(self, path: str) -> list[bytes]:
        return [request.content for request in self.requests if request.url.path == path]

    def authorizations(self, path: str) -> list[str | None]:
        return [request.headers.get("authorization") for request in self.requests if request.url.path == path]


class _Unsleeping(BlockingWire):
    def __init__(self, node: ScriptedNode) -> None:
        self._node = node
        super().__init__(lambda: httpx.Client(transport=httpx.MockTransport(node.answer)))

    def now(self) -> float:
        return self._node.seconds

    async def sleep(self, seconds: float) -> None:
        self._node.waits.append(seconds)
        self._node.seconds += seconds


class _UnsleepingAsync(AsyncWire):
    def __init__(self, node: ScriptedNode) -> None:
        self._node = node
        super().__init__(httpx.AsyncClient(transport=httpx.MockTransport(node.answer)))

    def now(self) -> float:
        return self._node.seconds

    async def sleep(self, seconds: float) -> None:
        self._node.waits.append(seconds)
        self._node.seconds += seconds


def connect(node: ScriptedNode, network: bytes | None = None, **options: Any) -> LedgerClient:
    """A synchronous client of the node."""
    options = {"url": "http://node/", "patience": Patience(PAUSES), **options}
    return LedgerClient(network=network, wire=_Unsleeping(node), **options)


def connect_asynchronously(
    node: ScriptedNode, network: bytes | None = None, **options: Any
) -> AsyncLedgerClient:
    """An asynchronous client of the node."""
    options = {"url": "http://node/", "patience": Patience(PAUSES), **options}
    return AsyncLedgerClient(network=network, wire=_UnsleepingAsync(node), **options)


class Awaited:
    """An asynchronous client or party as if it were synchronous, to state the same facts of both."""

    def __init__(self, what: Any, runner: asyncio.Runner) -> None:
        self._what = what
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._what, name)
        return self._calling(found) if callable(found) else found

    @property
    def network(self) -> bytes:
        network: bytes = self.network_id()
        return network

    def _calling(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*values: Any, **named: Any) -> Any:
            plain = {name: _plain(value) for name, value in named.items()}
            result = method(*values, **plain)
            if isinstance(result, Coroutine):
                return self._runner.run(result)
            if hasattr(result, "__anext__"):
                return self._iterated(result)
            return Awaited(result, self._runner)

        return call

    def _iterated(self, steps: Any) -> Any:
        while True:
            try:
                yield self._runner.run(_step(steps))
            except StopAsyncIteration:
                return


async def _step(steps: Any) -> Any:
    return await anext(steps)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [item._what if isinstance(item, Awaited) else item for item in value]
    return value


def status(**changes: Any) -> dict[str, Any]:
    """The form of a node's status."""
    known = {
        "network": NETWORK.hex(), "version": "0", "height": 7, "time_ms": NOW_MS, "window_ms": WINDOW_MS, "seal": "s",
    }  # fmt: skip
    return {**known, **changes}


def result(**changes: Any) -> dict[str, Any]:
    """The form of a final transaction's result."""
    return {"id": IDENTITY.hex(), "status": "final", "height": 8, "leaf": 1, "failure": None, **changes}


def problem(
    status: int, code: str, headers: Mapping[str, str] | None = None, **fields: Any
) -> httpx.Response:
    """A problem document."""
    document = {
        "type": "about:blank",
        "title": code,
        "status": status,
        "code": code,
        "detail": "No.",
        **fields,
    }
    return httpx.Response(status, json=document, headers=headers)
