"""The page ``rest.md`` of the reference: routes, who may ask, parameters, problems; from the application itself.

The application is put together as a node does, without anything behind its routes, which are only described here.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from traco.kernel.instruction import KernelParameters
from traco.modules.composition import compose
from traco.node.api.admission import admitted
from traco.node.api.app import make_app
from traco.node.api.channel_reads import ChannelReads
from traco.node.api.channels import channel_routes
from traco.node.api.fingerprints import fingerprint_route
from traco.node.api.operations import Operations, operations_routes
from traco.node.api.reads import Reads
from traco.node.api.reports import report_routes
from traco.node.api.settings import DEVELOPMENT, AccessSettings

QUERIES: Final = "/v1/queries/"
WHO: Final = {
    "everybody": "whoever reaches the node, without a token",
    "principal": "every party with a token; it gets what concerns it",
    "submitter": "every party with a token of the scope `submit`",
    "auditor": "auditors and operators of the node",
    "operator": "operators of the node",
}
PROBLEMS: Final[Mapping[str, tuple[int, str]]] = {
    "request.invalid": (400, "A parameter or the body is not what the route takes; the detail says which."),
    "request.too_deep": (400, "The JSON nests deeper than `limits.json_depth`."),
    "request.incomplete": (400, "The client went away before the request was complete."),
    "report.period_reversed": (400, "The period ends before it begins."),
    "fingerprint.caller_invalid": (400, "The caller is not named as the service wants it."),
    "fingerprint.commitment_invalid": (400, "The commitment to the content is not 32 bytes."),
    "fingerprint.not_normal": (
        400,
        "The fields are not in their normal form; `traco doc` brings them into it.",
    ),
    "access.missing": (401, "No access token, where one is needed."),
    "access.malformed": (401, "This is not an access token."),
    "access.signature": (401, "The token's signature does not verify."),
    "access.other_network": (401, "The token is for another network."),
    "access.other_node": (401, "The token is for another node."),
    "access.too_long": (401, "The token lives longer than fifteen minutes, or not at all."),
    "access.not_yet": (401, "The token begins in the future, by the node's clock."),
    "access.expired": (401, "The token has expired."),
    "access.key_unknown": (401, "The key that signed the token is not one of the party's keys now."),
    "access.party_inactive": (401, "The party is suspended or closed."),
    "access.scope": (403, "The token may read only, or its key has no role for the scope."),
    "access.role": (403, "Only operators, or only auditors and operators, may ask this."),
    "access.other_party": (403, "The caller named in the body is not the party of the token."),
    "access.undeclared": (403, "The route does not say who may use it: a fault of the node's software."),
    "request.host": (403, "The request is for another host name than the node's."),
    "request.origin": (403, "The request comes from a page of another site."),
    "object.unknown": (404, "There is no such object among those that you may see."),
    "transaction.unknown": (404, "There is no such transaction among those that you may see."),
    "transaction.before_snapshot": (
        404,
        "It may be of before the snapshot that this node joined by; ask another node.",
    ),
    "block.unknown": (404, "There is no such block yet."),
    "block.before_snapshot": (
        404,
        "The block is of before the snapshot that this node joined by; ask another node.",
    ),
    "receipt.no_transaction": (404, "What is at this place of the ledger is no transaction."),
    "channel.query_unknown": (404, "No module that runs in the channel answers this query."),
    "projections.off": (404, "This node keeps no projections, and therefore has no reports."),
    "explorer.no_file": (404, "The explorer has no such file."),
    "request.timeout": (408, "The request did not arrive within 20 seconds."),
    "request.too_large": (413, "The body is longer than `limits.json_bytes`."),
    "request.target_too_long": (414, "Path and query are too long."),
    "limit.rate": (429, "More requests than `limits.requests_per_second` allow; `Retry-After` says when."),
    "limit.requests": (429, "Too many requests of yours, or of all, are being answered."),
    "limit.streams": (429, "Too many streams of yours, or of all, are open."),
    "limit.in_flight": (429, "Too many transactions of yours are on their way."),
    "fingerprint.rate_limited": (429, "You asked for more fingerprints than you may at a time."),
    "fingerprint.busy": (
        429,
        "All callers together asked for more fingerprints than the service makes at a time.",
    ),
    "channel.not_hosted": (422, "The member has no seat on this node; ask its own."),
    "channel.not_member": (422, "The member is not in the channel, or it is not open yet."),
    "channel.not_provable": (
        422,
        "The transaction is not confirmed yet, or its payload is not on this node any more.",
    ),
    "channel.outbox_full": (422, "Too much of the channel waits on this node."),
    "channel.seat_missing": (422, "One of the members has no seat on the ledger yet."),
    "channel.offer_open": (422, "The epoch is in force or on offer already; its key is not made again."),
    "channel.snapshot_needed": (422, "This node joined the channel late and has no snapshot of it yet."),
    "channel.no_holdings": (422, "The channel's terms have no holdings: it can have no leg."),
    "channel.not_open": (422, "The member is not in the channel, or the channel is not open."),
    "channel.unknown": (422, "There is no such channel."),
    "channel.legs_wrong": (422, "The legs are not those of the terms; the detail says what differs."),
    "channel.deadline_wrong": (422, "The terms' deadline is past; agree on new ones."),
    "channel.too_early": (
        422,
        "The terms' deadline, or the leg's signatures, reach too far ahead; come back when the detail says.",
    ),
    "channel.epoch_wrong": (422, "The leg was sealed in an epoch that is over; seal it again."),
    "channel.receipts_expired": (422, "The custodians' receipts for the leg have ended; seal it again."),
    "entry.not_a_leg": (422, "The transaction does something else than hold one leg."),
    "leg.commitment_differs": (422, "The terms commit to another leg than the one signed."),
    "leg.terms_differ": (422, "The leg is signed for other terms."),
    "transaction.wrong_ledger": (422, "The leg is signed for another channel."),
    "transaction.expired": (422, "The leg's signatures have ended; sign it again."),
    "disclosure.period": (422, "The period has no confirmed points, or not all of them are."),
    "disclosure.too_far": (422, "The end of the period and its confirmation are too far apart."),
    "disclosure.own_state": (
        422,
        "Executing again gives another state than before: this node must be looked at.",
    ),
    "disclosure.payload_gone": (422, "Payloads that are needed are erased, or not on this node."),
    "disclosure.before_snapshot": (
        422,
        "This node has the channel by a snapshot; ask a member that has it from the beginning.",
    ),
    "disclosure.not_recorded": (422, "The root did not take the record of the disclosure; disclose again."),
    "disclosure.not_ready": (422, "The file is not made yet."),
    "disclosure.unknown": (422, "There is no such disclosure here, or no more; begin another."),
    "disclosure.busy": (422, "Too many disclosures are being made or fetched."),
    "disclosure.disk": (422, "The node cannot write the file."),
    "total.not_confirmed": (
        422,
        "A channel is not confirmed, or not executed here, up to the block; try again.",
    ),
    "request.headers_too_long": (431, "The headers are too long."),
    "node.fault": (500, "The node failed; its log says why, the answer does not."),
    "node.starting": (503, "The ledger is not founded or not followed yet; come back."),
    "node.stopping": (503, "The node is stopping; what was acknowledged is not lost."),
    "channel.not_executed": (503, "Nothing of the channel was executed on this node yet."),
    "channels.away": (
        503,
        "The channels' process does not answer: it starts, or failed, or is not meant to run.",
    ),
    "channels.stopped": (503, "The channels' process stops; come back when it was started again."),
    "channels.outcome_unknown": (
        503,
        "The ledger did not answer; what was sent may still be ordered. Ask what became of it.",
    ),
    "receipt.not_yet": (503, "The block is not sealed yet; come back in a moment."),
    "projections.not_ready": (503, "The projector has not begun yet."),
    "projections.database_failed": (503, "The database of the projections does not answer."),
    "projections.format_unknown": (
        503,
        "The projections have a form that this release does not know; make them anew.",
    ),
    "projections.before_snapshot": (
        503,
        "The node joined by a snapshot; projections need the blocks before it.",
    ),
    "projections.other_ledger": (503, "The projections are of another ledger; make them anew."),
    "fingerprint.log_unavailable": (503, "The service cannot write its log, and so gives no answer."),
}
"""The codes of this interface by status; a test finds those that the source raises."""

_HEAD: Final = """\
A node serves this at its own address; the whole as an OpenAPI 3.1 document is at `/v1/openapi`. The SDK
(`traco.client.sdk`) and the command line use nothing else.

* **Who asks** is proved by an access token in `Authorization: Bearer`, made by the client with a key of the party:
  [signers](../signers.md#as-whom-you-ask), and its form in `traco.client.access`. It lives at most fifteen minutes and is
  good for one node. Without one the loopback address of a development network answers as to an operator.
* **What a party gets** is what concerns it. An object of others is answered like one that does not exist (404).
* **Forms**: ids and other bytes are lower-case hex, amounts are integers in the smallest unit, times are milliseconds UTC,
  instructions and events are objects with a `type`. What is signed and submitted is not JSON but bytes, as in the
  [wire format](wire-format.md).
* **Pages**: lists take `limit` and `after` and answer `{"items": [...], "next": ...}`; `next` is the `after` of the next
  page, null on the last.
* **Problems** are documents of RFC 9457 (`application/problem+json`) with `code`, `detail`, mostly `advice`, and `request_id`,
  which is also in the header `X-Request-Id` and in the node's log. Programs decide by `code`.
"""
_STREAM: Final = """\
`GET /v1/events` never ends by itself. Each message has an `id`, the position `height.leaf.event`; with
`Last-Event-ID` or `after` it goes on behind that. `event: ledger` has a committed event, `event: progress` comes every 15
seconds without one, `event: end` with a `code` when the node stops (`node.stopping`) or the reader is too slow (`stream.slow`).
"""


def rest_page(note: str) -> Iterator[str]:
    """The lines of the page."""
    document = _application().openapi_schema.to_schema()
    routes = list(_routes(_application()))
    yield from ("# REST", "", note, "", _HEAD)
    yield from _table(("who", "means"), ((f"`{name}`", means) for name, means in WHO.items()))
    yield from ("## Routes", "")
    shown = [each for each in routes if not each[1].startswith(QUERIES)]
    yield from _table(("route", "who", "what"), (
        *((f"[`{method} {path}`](#{_anchor(f'{method} {path}')})", f"`{who}`", _operation(document, method, path)["summary"])
          for method, path, who in shown),
        (f"`POST {QUERIES}NAME`", "`principal`", "A query of a module: [queries](queries.md)"),
        ("`GET /`", "`everybody`", "The explorer, a page for people"),
    ))  # fmt: skip
    yield from (
        "## Problems",
        "",
        "What the rules of the ledger reject has the codes of [errors](errors.md).",
        "",
    )
    yield from _table(("status", "code", "says"), (
        (str(status), f"`{code}`", says) for code, (status, says) in PROBLEMS.items()
    ))  # fmt: skip
    yield from ("## Parameters", "", _STREAM)
    for method, path, _ in shown:
        yield from _parameters(method, path, _operation(document, method, path))


def _application() -> Litestar:
    behind: Any = None  # ledger process, store and services: the routes are made without them
    reads = Reads(behind, compose())
    more = [
        fingerprint_route(behind),
        *operations_routes(Operations(behind, behind), has_metrics=True),
        *report_routes(reads, None),
        *channel_routes(ChannelReads(Path(), reads, b"", KernelParameters(), ()), behind, 0, behind),
    ]
    return make_app(
        behind, reads, reads.registry, b"", bytes(32), KernelParameters(), [], [], more,
        access=AccessSettings(node=b"", purpose=DEVELOPMENT),
    )  # fmt: skip


def _routes(app: Litestar) -> Iterator[tuple[str, str, str]]:
    """Method, path and who may ask, of what is in the OpenAPI document."""
    for route in sorted(app.routes, key=lambda each: each.path_format):
        for handler in getattr(route, "route_handlers", ()):
            if isinstance(handler, HTTPRouteHandler) and handler.resolve_include_in_schema():
                for method in sorted(handler.http_methods - {"OPTIONS"}):
                    yield str(method), route.path_format, str(admitted(handler.opt))


def _operation(document: Mapping[str, Any], method: str, path: str) -> Mapping[str, Any]:
    operation: Mapping[str, Any] = document["paths"][path][method.lower()]
    return operation


def _anchor(title: str) -> str:
    """The anchor that GitHub gives to a heading."""
    kept = (letter for letter in title.lower() if letter.isalnum() or letter in " -_")
    return "".join(kept).replace(" ", "-")


def _parameters(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"### {method} {path}", "", f"{operation['summary']}.", "")
    rows = [
        (f"`{each['name']}`", each["in"], _bounds(each["schema"], each.get("required", False)), each.get("description") or "")
        for each in operation.get("parameters", ())
    ]  # fmt: skip
    if rows:
        yield from _table(("parameter", "in", "is", "means"), rows)
    body = operation.get("requestBody")
    if body is not None:
        kind, content = next(iter(body["content"].items()))
        what = body.get("description") or _form(content["schema"])
        yield from (f"Body: `{kind}`, {what}.", "")


def _form(schema: Mapping[str, Any]) -> str:
    if schema.get("type") == "array":
        return f"an array of {_form(schema['items'])}"
    return f"the form `{schema['$ref'].rpartition('/')[2]}`"


def _bounds(schema: Mapping[str, Any], is_required: bool) -> str:
    kinds = [schema.get("type"), *(each.get("type") for each in schema.get("oneOf", ()))]
    said = [str(next(kind for kind in kinds if kind not in (None, "null")))]
    if "minimum" in schema:
        said.append(f"from {int(schema['minimum']):,}")
    if "maximum" in schema and schema["maximum"] < 2**53 - 1:
        said.append(f"to {int(schema['maximum']):,}")
    if schema.get("default") not in (None, "", False):
        said.append(f"default {schema['default']}")
    return ", ".join([*said, *(["required"] if is_required else [])])


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield from (f"| {' | '.join(head)} |", f"| {' | '.join('---' for _ in head)} |")
    for row in rows:
        yield "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in row) + " |"
    yield ""
