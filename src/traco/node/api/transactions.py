"""The routes of transactions: submit them, ask what became of them, fetch their receipts, have bodies drafted."""

from functools import reduce
from operator import or_
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import BodyKwarg, FromPath, FromQuery

from traco.client.forms import form_type, from_form, to_form
from traco.kernel.codec import ROOT, encode
from traco.kernel.instruction import KernelParameters
from traco.kernel.registry import Registry, tag_of
from traco.kernel.transaction import Body, signing_message, transaction_id
from traco.node.api.problems import Problem
from traco.node.api.reads import Reads
from traco.node.link import ApiEnd
from traco.node.submission import Result, Status

OCTETS: Final = "application/octet-stream"
MAX_BATCH: Final = 4_096
MAX_VALID_MS: Final = 86_400_000  # no window is longer
HexId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$(?!\\n)", description="a transaction id in hex")]
Salt = Annotated[
    str, msgspec.Meta(pattern="^[0-9a-f]{32}$(?!\\n)", description="16 fresh random bytes in hex")
]
_BATCH: Final = msgspec.msgpack.Decoder(Annotated[tuple[bytes, ...], msgspec.Meta(max_length=MAX_BATCH)])


def json_body(kind: Any) -> Any:
    """The annotation of a body in JSON whose type is made at run time."""
    return Annotated[(kind, BodyKwarg(media_type=RequestEncodingType.JSON))]


def submission_routes(link: ApiEnd, reads: Reads) -> list[Any]:
    """Submitting one transaction or many."""

    @post(
        "/v1/transactions", status_code=200,
        summary="Submit one signed transaction (its bytes as the body); waits until it is final unless until=received",
    )  # fmt: skip
    async def submit(request: Request[Any, Any, Any], until: FromQuery[str] = "final") -> Response[Any]:
        results = await link.submit((await request.body(),), _is_final(until))
        return Response(_shown(reads, results[0]), status_code=_status_code(results[0]))

    @post(
        "/v1/transactions/batch", status_code=200,
        summary="Submit up to 4,096 signed transactions: a MessagePack array of their bytes; results in that order",
    )  # fmt: skip
    async def submit_batch(request: Request[Any, Any, Any], until: FromQuery[str] = "final") -> list[Any]:
        until_final = _is_final(until)
        try:
            batch = _BATCH.decode(await request.body())
        except ValueError as error:
            raise Problem(400, "request.invalid", f"not an array of transactions: {error}") from None
        return [_shown(reads, result) for result in await link.submit(batch, until_final)]

    return [submit, submit_batch]


def result_routes(link: ApiEnd, reads: Reads) -> list[Any]:
    """What became of a transaction, and its finality receipt."""

    @get("/v1/transactions/{identity:str}", summary="What became of a transaction: status, outcome, events")
    async def transaction(identity: FromPath[HexId]) -> dict[str, Any]:
        raw = _identity(identity)
        result = await link.result(raw)
        if result is not None and result.leaf < 0:
            return {**_shown(reads, result), "events": []}
        place = (result.height, result.leaf) if result is not None else reads.find(raw)
        if place is None:
            detail = f"no transaction {identity} is known; check the id, or submit it"
            raise Problem(404, "transaction.unknown", detail)
        receipt = reads.receipt(*place)
        status = Status.FINAL if receipt["failure"] is None else Status.REJECTED
        return {**receipt, "status": status.value}

    @get("/v1/transactions/{identity:str}/receipt", summary="The finality receipt", media_type=OCTETS)
    async def receipt(identity: FromPath[HexId]) -> bytes:
        return reads.finality(_identity(identity), await link.seal())

    return [transaction, receipt]


def draft_route(link: ApiEnd, registry: Registry, network: bytes, limits: KernelParameters) -> Any:
    """The route that turns instructions in JSON into the bytes to sign, for clients without the codec."""
    kinds = {tag_of(kind): kind for kind in registry.handlers}

    async def draft_body(data: Any) -> dict[str, Any]:
        forms = [msgspec.to_builtins(item) for item in data.instructions]
        instructions = tuple(from_form(kinds[form["type"]], form) for form in forms)
        valid_until = (await link.seal()).time_ms + data.valid_ms
        body = encode(Body(network, ROOT, valid_until, bytes.fromhex(data.salt), instructions))
        identity = transaction_id(body)
        drafted = {
            "body": body,
            "id": identity,
            "message": signing_message(identity),
            "valid_until": valid_until,
        }
        form: dict[str, Any] = to_form(drafted)
        return form

    draft_body.__annotations__["data"] = json_body(_draft_type(registry, limits))
    return post("/v1/drafts", status_code=200, summary="The bytes to sign for instructions in JSON")(
        draft_body
    )


def _draft_type(registry: Registry, limits: KernelParameters) -> Any:
    instruction: Any = reduce(or_, (form_type(kind) for kind in registry.handlers))
    fields: list[Any] = [
        ("instructions", Annotated[list[instruction], msgspec.Meta(max_length=limits.max_instructions)]),
        ("salt", Salt),
        ("valid_ms", Annotated[int, msgspec.Meta(ge=1, le=MAX_VALID_MS)], 60_000),
    ]
    return msgspec.defstruct("Draft", fields, kw_only=True, forbid_unknown_fields=True)


def _shown(reads: Reads, result: Result) -> dict[str, Any]:
    return {
        "id": result.identity.hex(), "status": result.status.value, "height": result.height, "leaf": result.leaf,
        "failure": reads.failure(result.failure),
    }  # fmt: skip


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
