"""The routes of the REST interface. Forms are made from the ledger's own definitions (``client.forms``)."""

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Annotated, Any, Final

import msgspec
from litestar import Litestar, Request, Response, get, post
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.params import FromPath, FromQuery, JSONBody

from traco import __version__
from traco.client.forms import form_type, from_form, to_form
from traco.kernel.codec import ROOT, encode
from traco.kernel.instruction import KernelParameters
from traco.kernel.registry import Registry, tag_of
from traco.kernel.transaction import Body, signing_message, transaction_id
from traco.node.api.guard import Guard
from traco.node.api.problems import HANDLERS, Problem
from traco.node.api.reads import Reads
from traco.node.link import ApiEnd
from traco.node.submission import Result, Status

OCTETS: Final = "application/octet-stream"
MAX_BATCH: Final = 4_096
MAX_VALID_MS: Final = 86_400_000  # no window is longer
HexId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$(?!\\n)", description="a transaction id in hex")]
_BATCH: Final = msgspec.msgpack.Decoder(Annotated[tuple[bytes, ...], msgspec.Meta(max_length=MAX_BATCH)])


def make_app(
    link: ApiEnd, reads: Reads, registry: Registry, genesis: bytes, network: bytes, limits: KernelParameters,
    start: list[Callable[..., Any]], stop: list[Callable[..., Any]], more: list[Any],
) -> Litestar:  # fmt: skip
    """The application. ``more`` are further route handlers (such as the fingerprint service's)."""

    def shown(result: Result) -> dict[str, Any]:
        return {
            "id": result.identity.hex(), "status": result.status.value, "height": result.height, "leaf": result.leaf,
            "failure": reads.failure(result.failure),
        }  # fmt: skip

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

    @post(
        "/v1/transactions", status_code=200,
        summary="Submit one signed transaction (its bytes as the body); waits until it is final unless until=received",
    )  # fmt: skip
    async def submit(request: Request[Any, Any, Any], until: FromQuery[str] = "final") -> Response[dict[str, Any]]:
        results = await link.submit((await request.body(),), _is_final(until))
        return Response(shown(results[0]), status_code=_status_code(results[0]))

    @post(
        "/v1/transactions/batch", status_code=200,
        summary="Submit up to 4,096 signed transactions: a MessagePack array of their bytes; results in that order",
    )  # fmt: skip
    async def submit_batch(request: Request[Any, Any, Any], until: FromQuery[str] = "final") -> list[dict[str, Any]]:
        until_final = _is_final(until)
        try:
            batch = _BATCH.decode(await request.body())
        except ValueError as error:
            raise Problem(400, "request.invalid", f"not an array of transactions: {error}") from None
        return [shown(result) for result in await link.submit(batch, until_final)]

    @get("/v1/transactions/{identity:str}", summary="What became of a transaction: status, outcome and events")
    async def transaction(identity: FromPath[HexId]) -> dict[str, Any]:
        raw = _identity(identity)
        result = await link.result(raw)
        if result is not None and result.leaf < 0:
            return {**shown(result), "events": []}
        place = (result.height, result.leaf) if result is not None else reads.find(raw)
        if place is None:
            raise Problem(404, "transaction.unknown", f"no transaction {identity} is known; check the id, or submit it")
        receipt = reads.receipt(*place)
        status = Status.FINAL if receipt["failure"] is None else Status.REJECTED
        return {**receipt, "status": status.value}

    @get("/v1/transactions/{identity:str}/receipt", summary="The finality receipt as a file", media_type=OCTETS)
    async def receipt(identity: FromPath[HexId]) -> bytes:
        return reads.finality(_identity(identity), await link.seal())

    @get("/v1/blocks/{height:int}", summary="A block: its hashes, and its leaves with their outcomes")
    async def block(height: FromPath[int]) -> dict[str, Any]:
        return reads.block(height)

    handlers = [status, founding, submit, submit_batch, transaction, receipt, block, _draft_route(registry, link, network, limits)]
    handlers += [_query_route(reads, name) for name in registry.queries]
    return Litestar(
        route_handlers=[*handlers, *more], on_startup=start, on_shutdown=stop, exception_handlers=HANDLERS,
        middleware=[Guard], request_max_body_size=limits.max_envelope_bytes * 2, debug=False, pdb_on_exception=False,
        logging_config=None,
        openapi_config=OpenAPIConfig(
            title="Traco node", version=__version__, path="/v1/openapi", render_plugins=[JsonRenderPlugin(path="/")]
        ),
    )  # fmt: skip


def _is_final(until: str) -> bool:
    if until not in ("final", "received"):
        raise Problem(400, "request.invalid", "until is final or received")
    return until == "final"


def _status_code(result: Result) -> int:
    if result.status is Status.REFUSED:
        return 422
    return 202 if result.status is Status.RECEIVED else 200


def _identity(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != 32 or raw.hex() != text:
        raise Problem(400, "request.invalid", "a transaction id is 64 lower-case hexadecimal digits")
    return raw


def _query_route(reads: Reads, name: str) -> Any:
    """The route of one module query; its body is the form of the query's request."""
    query = reads.registry.queries[name]

    async def answer(data: Any) -> dict[str, Any]:
        return reads.query(name, msgspec.to_builtins(data))

    answer.__annotations__["data"] = JSONBody[form_type(query.request)]
    answer.__name__ = f"query_{name.replace('.', '_')}"
    return post(f"/v1/queries/{name}", status_code=200, summary=query.summary)(answer)


def _draft_route(registry: Registry, link: ApiEnd, network: bytes, limits: KernelParameters) -> Any:
    """The route that turns instructions in JSON into the bytes to sign, for clients without the codec."""
    instruction: Any = reduce(or_, (form_type(kind) for kind in registry.handlers))
    draft = msgspec.defstruct(
        "Draft", [("instructions", Annotated[list[instruction], msgspec.Meta(max_length=limits.max_instructions)]), ("salt", Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$(?!\\n)")]),
                  ("valid_ms", Annotated[int, msgspec.Meta(ge=1, le=MAX_VALID_MS)], 60_000)], kw_only=True, forbid_unknown_fields=True,
    )  # fmt: skip

    kinds = {tag_of(kind): kind for kind in registry.handlers}

    async def draft_body(data: Any) -> dict[str, Any]:
        forms = [msgspec.to_builtins(item) for item in data.instructions]
        instructions = tuple(from_form(kinds[form["type"]], form) for form in forms)
        valid_until = (await link.seal()).time_ms + data.valid_ms
        body = encode(Body(network, ROOT, valid_until, bytes.fromhex(data.salt), instructions))
        identity = transaction_id(body)
        drafted: dict[str, Any] = to_form({"body": body, "id": identity, "message": signing_message(identity), "valid_until": valid_until})
        return drafted

    draft_body.__annotations__["data"] = JSONBody[draft]
    return post("/v1/drafts", status_code=200, summary="The bytes to sign for instructions given in JSON")(draft_body)


