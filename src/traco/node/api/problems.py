"""Errors of the REST interface: RFC 9457 problem documents with the ledger's stable codes."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException

from traco.client.forms import FormInvalid, to_form
from traco.kernel.errors import Failure, Rejected
from traco.node.link import LedgerGone

PROBLEM_TYPE: Final = "application/problem+json"


class Problem(Exception):
    """An answer that is an error: HTTP status, stable code, what happened and what to do."""

    def __init__(self, status: int, code: str, detail: str, fields: dict[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.fields = fields or {}


def problem_response(status: int, code: str, detail: str, fields: dict[str, Any] | None = None) -> Response[bytes]:
    """The problem document."""
    document = {"type": "about:blank", "title": code, "status": status, "code": code, "detail": detail}
    content = msgspec.json.encode({**(fields or {}), **document})
    return Response(content, status_code=status, media_type=PROBLEM_TYPE)


def failure_text(code: str, failure: Failure, errors: dict[str, type[Any]]) -> str:
    """The sentences for people, from a failure's code and fields."""
    kind = errors.get(code)
    if kind is None:
        return code
    shown = {name: value.hex() if isinstance(value, bytes) else value for name, value in failure.fields}
    return f"{kind.says.format(**shown)} {kind.advice.format(**shown)}".strip()


def _on_problem(_: Request[Any, Any, Any], error: Problem) -> Response[bytes]:
    return problem_response(error.status, error.code, error.detail, error.fields)


def _on_rejected(_: Request[Any, Any, Any], error: Rejected) -> Response[bytes]:
    return problem_response(404, error.code, str(error), to_form(dict(error.fields())))


def _on_form(_: Request[Any, Any, Any], error: FormInvalid) -> Response[bytes]:
    return problem_response(400, "request.invalid", str(error))


def _on_gone(_: Request[Any, Any, Any], error: LedgerGone) -> Response[bytes]:
    return problem_response(503, "node.stopping", f"{error}; try again when the node is up")


def _on_http(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    detail = error.detail if error.status_code < 500 else "the node could not answer; see its log"
    extra = "" if not error.extra else f" {error.extra}"
    return problem_response(error.status_code, f"http.{error.status_code}", f"{detail}{extra}"[:2_000])


HANDLERS: Final[dict[Any, Callable[..., Response[Any]]]] = {
    Problem: _on_problem,
    Rejected: _on_rejected,
    FormInvalid: _on_form,
    LedgerGone: _on_gone,
    HTTPException: _on_http,
}
JSON: Final = MediaType.JSON
