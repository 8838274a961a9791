"""The routes of transactions: submit them, ask what became of them, fetch their receipts, have bodies drafted."""

from functools import reduce
from operator import or_
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import BodyKwarg

from traco.client.forms import FormInvalid, form_type, from_form, to_form
from traco.kernel.codec import ROOT, encode
from traco.kernel.instruction import KernelParameters
from traco.kernel.registry import Registry, tag_of
from traco.kernel.transaction import Body, signing_message, transaction_id
from traco.node.api.admission import Admits, admits
from traco.node.api.limits import FairQueue
from traco.node.api.parameters import TransactionId, Until
from traco.node.api.principals import principal_of
from traco.node.api.problems import Problem
from traco.node.api.reads import Reads
from traco.node.link import ApiEnd
from traco.node.submission import Result, Status

OCTETS: Final = "application/octet-stream"
MAX_BATCH: Final = 4_096
MAX_VALID_MS: Final = 86_400_000  # no window is longer
Salt = Annotated[
    str, msgspec.Meta(pattern="^[0-9a-f]{32}$(?!\\n)", description="16 fresh random bytes in hex")
]
_BATCH: Final = msgspec.msgpack.Decoder(Annotated[tuple[bytes, ...], msgspec.Meta(max_length=MAX_BATCH)])


def json_body(kind: Any) -> Any:
    """The annotation of a body in JSON whose type is made at run time."""
    return Annotated[(kind, BodyKwarg(media_type=RequestEncodingType.JSON))]


async def require_exact(request: Request[Any, Any, Any], kind: Any) -> None:
    """Refuse a body in JSON that fits its type only loosely, such as a number in quotes: the framework takes those.

    Raises ``FormInvalid``.
    """
    try:
        msgspec.convert(await request.json(), kind)
    except msgspec.ValidationError as error:
        raise FormInvalid(str(error)) from None


def submission_routes(link: ApiEnd, reads: Reads, limits: KernelParameters, queue: FairQueue) -> list[Any]:
    """Submitting one transaction or many. Results are the submitter's to know, whoever acts in the transactions."""

    @post(
        "/v1/transactions", status_code=200, opt=admits(Admits.SUBMITTER), operation_id="submitTransaction",
        summary="Submit one signed transaction (its bytes as the body); waits until it is final unless until=received",
        request_max_body_size=2 * limits.max_transaction_bytes,
    )  # fmt: skip
    async def submit(request: Request[Any, Any, Any], until: Until = "final") -> Response[Any]:
        until_final = until == "final"
        raw = await request.body()
        async with queue.turn(principal_of(request).name, 1):
            results = await link.submit((raw,), until_final)
        return Response(_shown(reads, results[0]), status_code=_status_code(results[0]))

    @post(
        "/v1/transactions/batch", status_code=200, opt=admits(Admits.SUBMITTER), operation_id="submitTransactions",
        summary="Submit up to 4,096 signed transactions: a MessagePack array of their bytes; results in that order",
        request_max_body_size=2 * limits.max_envelope_bytes,
    )  # fmt: skip
    async def submit_batch(request: Request[Any, Any, Any], until: Until = "final") -> list[Any]:
        until_final = until == "final"
        try:
            batch = _BATCH.decode(await request.body())
        except ValueError as error:
            raise Problem(400, "request.invalid", f"not an array of transactions: {error}") from None
        async with queue.turn(principal_of(request).name, max(1, len(batch))):
            results = await link.submit(batch, until_final)
        return [_shown(reads, result) for result in results]

    return [submit, submit_batch]


def result_routes(link: ApiEnd, reads: Reads) -> list[Any]:
    """What became of a transaction, and its finality receipt."""

    @get(
        "/v1/transactions/{identity:str}", opt=admits(Admits.PRINCIPAL), operation_id="getTransaction",
        summary="A transaction: what was asked, who signed, status, outcome, events",
    )  # fmt: skip
    async def transaction(request: Request[Any, Any, Any], identity: TransactionId) -> dict[str, Any]:
        raw = bytes.fromhex(identity)
        result = await link.result(raw)
        if (
            result is not None and result.leaf < 0
        ):  # on its way: that it exists is no secret, and no more is said
            return {**_shown(reads, result), "events": []}
        place = None if result is None else (result.height, result.leaf)
        found = reads.transaction(raw, place, principal_of(request))
        if found is None:
            detail = f"no transaction {identity} is known; check the id, or submit it"
            raise Problem(404, "transaction.unknown", detail)
        status = Status.FINAL if found["failure"] is None else Status.REJECTED
        return {**found, "status": status.value}

    @get(
        "/v1/transactions/{identity:str}/receipt", opt=admits(Admits.PRINCIPAL), operation_id="getReceipt",
        summary="The finality receipt of a transaction, for anybody to verify offline", media_type=OCTETS,
    )  # fmt: skip
    async def receipt(request: Request[Any, Any, Any], identity: TransactionId) -> bytes:
        raw = bytes.fromhex(identity)
        return reads.finality(raw, await link.seal(reads.height_of(raw)), principal_of(request))

    return [transaction, receipt]


def draft_route(link: ApiEnd, registry: Registry, network: bytes, limits: KernelParameters) -> Any:
    """The route that turns instructions in JSON into the bytes to sign, for clients without the codec."""
    kinds = {tag_of(kind): kind for kind in registry.handlers}
    draft = _draft_type(registry, limits)

    async def draft_body(request: Request[Any, Any, Any], data: Any) -> dict[str, Any]:
        await require_exact(request, draft)
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

    draft_body.__annotations__["data"] = json_body(draft)
    return post(
        "/v1/drafts", status_code=200, opt=admits(Admits.PRINCIPAL), operation_id="draftTransaction",
        summary="The bytes to sign for instructions in JSON",
    )(draft_body)  # fmt: skip


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


def _status_code(result: Result) -> int:
    if result.status is Status.REFUSED:
        return 422
    return 202 if result.status is Status.RECEIVED else 200
