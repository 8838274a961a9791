"""The REST interface put together. Forms are made from the ledger's own definitions (``client.forms``)."""

import asyncio
import threading
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from litestar import Litestar, Request, Router, get, post
from litestar.middleware import DefineMiddleware
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from traco import __version__
from traco.client.forms import form_type
from traco.kernel.instruction import KernelParameters
from traco.kernel.registry import Registry
from traco.node.api.admission import Admission, Admits, Counters, admits
from traco.node.api.authentication import Principals
from traco.node.api.events import Heads, events_route
from traco.node.api.explorer import explorer_routes
from traco.node.api.guard import LOOPBACK_NAMES, Guard
from traco.node.api.light import light_routes
from traco.node.api.limits import FairQueue
from traco.node.api.lists import list_routes
from traco.node.api.openapi import complete
from traco.node.api.parameters import Height, Limit, Number, OptionalNumber
from traco.node.api.principals import principal_of
from traco.node.api.problems import HANDLERS, Problem
from traco.node.api.reads import Reads
from traco.node.api.settings import AccessSettings
from traco.node.api.transactions import (
    draft_route,
    json_body,
    require_exact,
    result_routes,
    submission_routes,
)
from traco.node.clock import wall_clock_ms
from traco.node.link import ApiEnd

CONCERNS_SECONDS: Final = 60.0
Hook = Callable[..., Any]


def make_app(
    link: ApiEnd, reads: Reads, registry: Registry, genesis: bytes, network: bytes, limits: KernelParameters,
    start: Sequence[Hook], stop: Sequence[Hook], more: Sequence[Any], *, access: AccessSettings,
    now_ms: Callable[[], int] = wall_clock_ms,
) -> Litestar:  # fmt: skip
    """The application. ``more`` are further route handlers (such as the fingerprint service's)."""
    principals = Principals(access, network, reads, now_ms)
    following = Following(link, reads)
    most = access.limits
    queue = FairQueue(most.in_flight, most.in_flight_all, most.waiting_submissions)
    routes = [
        *_ledger_routes(link, genesis, network, limits, access),
        *_block_routes(reads),
        *submission_routes(link, reads, limits, queue),
        *result_routes(link, reads),
        draft_route(link, registry, network, limits),
        *(_query_route(reads, name) for name in registry.queries),
        *light_routes(link, reads, genesis),
        *list_routes(reads),
        events_route(reads, principals, following.heads),
        *more,
        *explorer_routes(registry),
    ]
    app = Litestar(
        route_handlers=routes, on_startup=[*start, following.begin], on_shutdown=[following.end, *stop],
        exception_handlers=HANDLERS, middleware=_middleware(principals, access), debug=False, pdb_on_exception=False,
        request_max_body_size=most.json_bytes, logging_config=None, openapi_config=_openapi_config(),
    )  # fmt: skip
    app.state.following = following
    complete(app)
    return app


def _middleware(principals: Principals, access: AccessSettings) -> list[Any]:
    names: tuple[str, ...]
    if access.is_loopback:
        names, scheme = LOOPBACK_NAMES, "https" if access.tls else "http"
    else:
        names, scheme = access.host_names, "https"
    return [
        DefineMiddleware(Guard, names=names, scheme=scheme),
        DefineMiddleware(Admission, principals=principals, counters=Counters(access.limits)),
    ]


def _openapi_config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Traco node", version=__version__, render_plugins=[JsonRenderPlugin(path="/")],
        openapi_router=Router("/v1/openapi", route_handlers=[], include_in_schema=False, opt=admits(Admits.EVERYBODY)),
    )  # fmt: skip


class Following:
    """Keeps the process up with the ledger: the newest height for streams, and whom ended objects concerned."""

    def __init__(self, link: ApiEnd, reads: Reads) -> None:
        self.heads = Heads()
        self._link, self._reads = link, reads
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = threading.Event()

    async def begin(self) -> None:
        """Attach to the running event loop."""
        self._tasks.append(asyncio.create_task(self.heads.follow(self._link.next_block), name="traco-heads"))
        if self._reads.concerns is not None:
            self._tasks.append(asyncio.create_task(self._keep_concerns(), name="traco-concerns"))

    async def end(self) -> None:
        """End the streams and stop following."""
        self._stopping.set()
        self.heads.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_concerns(self) -> None:
        concerns = self._reads.concerns
        while concerns is not None and not self.heads.ended:
            await asyncio.to_thread(concerns.catch_up, self._reads.reader, self._stopping)
            await self.heads.beyond(concerns.height, CONCERNS_SECONDS)


def _shown(seal: bytes) -> str:
    """A checkpoint is text; the evidence of a distributed engine is not, and is given in base64."""
    return seal.decode() if seal.startswith(b"traco/") else b64encode(seal).decode()


def _ledger_routes(
    link: ApiEnd, genesis: bytes, network: bytes, limits: KernelParameters, access: AccessSettings
) -> list[Any]:
    @get(
        "/v1/status", opt=admits(Admits.EVERYBODY), operation_id="getStatus",
        summary="Where the ledger stands, the node's clock and key",
    )  # fmt: skip
    async def status() -> dict[str, Any]:
        sealed = await link.seal()
        return {
            "network": network.hex(), "node": access.node.hex(), "version": __version__, "height": sealed.ledger_height,
            "time_ms": sealed.time_ms, "window_ms": limits.window_ms, "seal": _shown(sealed.seal),
        }  # fmt: skip

    @get(
        "/v1/genesis", opt=admits(Admits.EVERYBODY), operation_id="getGenesis", summary="The founding document",
        media_type="application/json",
    )  # fmt: skip
    async def founding() -> bytes:
        return genesis

    @get(
        "/v1/principal", opt=admits(Admits.PRINCIPAL), operation_id="getPrincipal",
        summary="For whom the node takes the request: party, key, role, scope",
    )  # fmt: skip
    async def principal(request: Request[Any, Any, Any]) -> dict[str, Any]:
        found = principal_of(request)
        return {
            "role": found.role.value, "scope": found.scope, "party": None if found.party is None else found.party.hex(),
            "key": None if found.key is None else found.key.hex(),
        }  # fmt: skip

    return [status, founding, principal]


def _block_routes(reads: Reads) -> list[Any]:
    @get(
        "/v1/blocks/{height:int}", opt=admits(Admits.PRINCIPAL), operation_id="getBlock",
        summary="A block: its hashes, and its leaves from `first` on with the outcomes that the principal sees",
    )  # fmt: skip
    async def block(
        request: Request[Any, Any, Any], height: Height, first: Number = 0,
        limit: Limit = 1_000,
    ) -> dict[str, Any]:  # fmt: skip
        return await asyncio.to_thread(reads.block, height, principal_of(request), first, limit)

    @get(
        "/v1/blocks", opt=admits(Admits.PRINCIPAL), operation_id="listBlocks",
        summary="Blocks, the newest first below `before`, or the oldest first above `after`",
    )  # fmt: skip
    async def blocks(
        before: OptionalNumber = None, after: OptionalNumber = None,
        limit: Limit = 100,
    ) -> dict[str, Any]:  # fmt: skip
        if after is not None and before is not None:
            raise Problem(400, "request.invalid", "give after or before, not both")
        if after is not None:
            return await asyncio.to_thread(reads.blocks_up, after, limit)
        return await asyncio.to_thread(reads.blocks_down, before, limit)

    return [block, blocks]


def _query_route(reads: Reads, name: str) -> Any:
    """The route of one module query; its body is the form of the query's request."""
    form = form_type(reads.registry.queries[name].request)

    async def answer(request: Request[Any, Any, Any], data: Any) -> dict[str, Any]:
        await require_exact(request, form)
        return reads.query(name, msgspec.to_builtins(data), principal_of(request))

    answer.__annotations__["data"] = json_body(form)
    answer.__name__ = f"query_{name.replace('.', '_')}"
    words = [word.capitalize() for word in name.replace(".", "_").split("_")]
    return post(
        f"/v1/queries/{name}", status_code=200, opt=admits(Admits.PRINCIPAL),
        summary=reads.registry.queries[name].summary,
        operation_id="query" + "".join(words),
    )(answer)  # fmt: skip
