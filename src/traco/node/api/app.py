"""The REST interface put together. Forms are made from the ledger's own definitions (``client.forms``)."""

from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Litestar, get, post
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.params import FromPath

from traco import __version__
from traco.client.forms import form_type
from traco.kernel.instruction import KernelParameters
from traco.kernel.registry import Registry
from traco.node.api.guard import Guard
from traco.node.api.problems import HANDLERS
from traco.node.api.reads import Reads
from traco.node.api.transactions import draft_route, json_body, result_routes, submission_routes
from traco.node.link import ApiEnd


def make_app(
    link: ApiEnd, reads: Reads, registry: Registry, genesis: bytes, network: bytes, limits: KernelParameters,
    start: list[Callable[..., Any]], stop: list[Callable[..., Any]], more: list[Any],
) -> Litestar:  # fmt: skip
    """The application. ``more`` are further route handlers (such as the fingerprint service's)."""
    routes = [
        *_ledger_routes(link, reads, genesis, network, limits),
        *submission_routes(link, reads),
        *result_routes(link, reads),
        draft_route(link, registry, network, limits),
        *(_query_route(reads, name) for name in registry.queries),
        *more,
    ]
    return Litestar(
        route_handlers=routes, on_startup=start, on_shutdown=stop, exception_handlers=HANDLERS, middleware=[Guard],
        request_max_body_size=limits.max_envelope_bytes * 2, debug=False, pdb_on_exception=False, logging_config=None,
        openapi_config=OpenAPIConfig(
            title="Traco node", version=__version__, path="/v1/openapi", render_plugins=[JsonRenderPlugin(path="/")]
        ),
    )  # fmt: skip


def _ledger_routes(
    link: ApiEnd, reads: Reads, genesis: bytes, network: bytes, limits: KernelParameters
) -> list[Any]:
    @get("/v1/status", summary="Where the ledger stands, and the node's clock")
    async def status() -> dict[str, Any]:
        sealed = await link.seal()
        return {
            "network": network.hex(), "version": __version__, "height": sealed.height, "time_ms": sealed.time_ms,
            "window_ms": limits.window_ms, "seal": sealed.seal.decode(),
        }  # fmt: skip

    @get("/v1/genesis", summary="The founding document", media_type="application/json")
    async def founding() -> bytes:
        return genesis

    @get("/v1/blocks/{height:int}", summary="A block: its hashes, and its leaves with their outcomes")
    async def block(height: FromPath[int]) -> dict[str, Any]:
        return reads.block(height)

    return [status, founding, block]


def _query_route(reads: Reads, name: str) -> Any:
    """The route of one module query; its body is the form of the query's request."""
    query = reads.registry.queries[name]

    async def answer(data: Any) -> dict[str, Any]:
        return reads.query(name, msgspec.to_builtins(data))

    answer.__annotations__["data"] = json_body(form_type(query.request))
    answer.__name__ = f"query_{name.replace('.', '_')}"
    return post(f"/v1/queries/{name}", status_code=200, summary=query.summary)(answer)
