"""What the OpenAPI document says of every operation alike: access tokens, problem documents, the stream."""

from typing import Any, Final

from litestar import Litestar
from litestar.openapi.spec import (
    Components,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
)
from litestar.openapi.spec.enums import OpenAPIFormat

from traco.node.api.admission import Admits, admitted
from traco.node.api.problems import PROBLEM_TYPE
from traco.node.api.transactions import OCTETS

SCHEME: Final = "accessToken"
PROBLEM: Final = "Problem"
_PROBLEMS: Final = {
    "400": "The request is not what the operation takes.",
    "401": "No access token, or one that is not valid (codes `access...`).",
    "403": "The principal may not do this, or the request is for another host or from a page of another site.",
    "404": "There is no such object among those that the principal may see.",
    "408": "The request did not arrive in time.",
    "413": "The body is too long.",
    "429": "Too many requests, streams or submissions; `Retry-After` says when to come back.",
    "500": "The node failed; its log says why.",
    "503": "The node is starting or stopping; come back.",
}
_OPEN: Final = frozenset(("400", "403", "429", "500", "503"))  # that routes for everybody answer too
_OPEN_BY_NAME: Final = _OPEN | {"404"}  # and those of them that are asked for something by its name
_BYTES: Final = {
    "submitTransaction": "a signed transaction, as in the wire format",
    "submitTransactions": "a MessagePack array of signed transactions (each a byte string)",
}
"""Operations that take bytes, which they read by themselves."""
_OBJECTS: Final = {"getGenesis": "the founding document, format traco-genesis/1"}
"""Operations that answer a JSON object, of which they have the bytes already."""
_RESULTS: Final = {
    "200": "Final or rejected: it has a receipt. The result says which.",
    "202": "Received: it is durable in the node's outbox and will be ordered.",
    "422": "Refused: it never became a transaction. The result says why.",
}
_METHODS: Final = ("get", "post", "put", "patch", "delete")


def complete(app: Litestar) -> None:
    """Add to the application's document what all operations have in common."""
    document = app.openapi_schema
    components: Components = document.components
    components.security_schemes = {
        SCHEME: SecurityScheme(
            type="http", scheme="bearer", bearer_format="traco/access/1",
            description="A record that names network, node, party, scope and times, signed with a key of the party. Made by"
            " the client; needed everywhere but on the loopback address of a development network.",
        )
    }  # fmt: skip
    components.schemas = {**(components.schemas or {}), PROBLEM: _problem_schema()}
    for path, item in (document.paths or {}).items():
        for method in _METHODS:
            operation = getattr(item, method)
            if isinstance(operation, Operation):
                _complete(operation, _admits(app, path, method), _OPEN_BY_NAME if "{" in path else _OPEN)


def _admits(app: Litestar, path: str, method: str) -> Admits | None:
    for route in app.routes:
        if _openapi_path(route) == path:
            for handler in getattr(route, "route_handlers", ()):
                if method.upper() in handler.http_methods:
                    return admitted(handler.opt)
    return None


def _openapi_path(route: Any) -> str:
    return str(getattr(route, "path_format", ""))


def _complete(operation: Operation, whom: Admits | None, of_open: frozenset[str]) -> None:
    is_open = whom is Admits.EVERYBODY
    operation.security = [] if is_open else [{SCHEME: []}]
    if operation.operation_id in _BYTES:
        operation.request_body = _bytes(_BYTES[operation.operation_id])
    responses = operation.responses = dict(operation.responses or {})
    if operation.operation_id in _OBJECTS:
        said = _OBJECTS[operation.operation_id]
        schema = Schema(type=OpenAPIType.OBJECT, description=said)
        responses["200"] = OpenAPIResponse(
            description=said, content={"application/json": OpenAPIMediaType(schema=schema)}
        )
    if operation.operation_id == "submitTransaction":
        done = responses["200"]
        for status, text in _RESULTS.items():
            responses[status] = OpenAPIResponse(description=text, content=getattr(done, "content", None))
    for status, text in _PROBLEMS.items():
        if is_open and status not in of_open:
            continue
        headers: dict[str, OpenAPIHeader | Reference] | None = None
        if status in ("429", "503"):
            headers = {"Retry-After": _retry_after()}
        responses[status] = OpenAPIResponse(
            description=text, content={PROBLEM_TYPE: OpenAPIMediaType(schema=Reference(f"#/components/schemas/{PROBLEM}"))},
            headers=headers,
        )  # fmt: skip


def _bytes(what: str) -> RequestBody:
    schema = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY, description=what)
    return RequestBody(content={OCTETS: OpenAPIMediaType(schema=schema)}, required=True, description=what)


def _retry_after() -> OpenAPIHeader:
    return OpenAPIHeader(schema=Schema(type=OpenAPIType.INTEGER), description="seconds to wait")


def _problem_schema() -> Schema:
    text = Schema(type=OpenAPIType.STRING)
    return Schema(
        type=OpenAPIType.OBJECT, title=PROBLEM, required=["type", "title", "status", "code", "detail"],
        description="A problem document (RFC 9457). Further members are the fields of the ledger's error.",
        properties={
            "type": text, "title": text, "status": Schema(type=OpenAPIType.INTEGER), "detail": text, "advice": text,
            "code": Schema(type=OpenAPIType.STRING, description="stable: what programs decide by"),
        },
    )  # fmt: skip
