"""Errors of the REST interface: RFC 9457 problem documents with the ledger's stable codes."""

import logging
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from traco.client.forms import FormInvalid, to_form
from traco.kernel.errors import Failure, Refused, Rejected
from traco.node.link import LedgerGone
from traco.node.logs import REQUEST

PROBLEM_TYPE: Final = "application/problem+json"
MAX_DETAIL: Final = 2_000
REFUSALS: Final[dict[str, type[Any]]] = {kind.code: kind for kind in Refused.__subclasses__()}
"""The refusals of the kernel by their codes; rejections are declared by the modules."""

log = logging.getLogger("traco.api")


class Problem(Exception):
    """An answer that is an error: HTTP status, stable code, what happened and what to do."""

    def __init__(
        self, status: int, code: str, detail: str, fields: dict[str, Any] | None = None, *, advice: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.fields = {**(fields or {}), **({"advice": advice} if advice else {})}
        self.headers = headers

    def response(self) -> Response[bytes]:
        """The problem document."""
        return problem_response(self.status, self.code, self.detail, self.fields, self.headers)


def problem_response(
    status: int, code: str, detail: str, more: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Response[bytes]:  # fmt: skip
    """The problem document."""
    document = {"type": "about:blank", "title": code, "status": status, "code": code, "detail": detail}
    request = REQUEST.get()
    named = {"request_id": request} if request else {}
    content = msgspec.json.encode({**(more or {}), **document, **named})
    return Response(content, status_code=status, media_type=PROBLEM_TYPE, headers=headers)


def failure_text(code: str, failure: Failure, errors: dict[str, type[Any]]) -> str:
    """The sentences for people, from a failure's code and fields."""
    kind = errors.get(code)
    if kind is None:
        return code
    shown = {name: value.hex() if isinstance(value, bytes) else value for name, value in failure.fields}
    if any(field.name not in shown for field in fields(kind)):
        return code  # an older release wrote this receipt, with other fields
    return f"{kind.says.format(**shown)} {kind.advice.format(**shown)}".strip()


def _on_problem(_: Request[Any, Any, Any], error: Problem) -> Response[bytes]:
    return error.response()


def _on_rejected(_: Request[Any, Any, Any], error: Rejected) -> Response[bytes]:
    return problem_response(404, error.code, str(error), to_form(dict(error.fields())))


def _on_form(_: Request[Any, Any, Any], error: FormInvalid) -> Response[bytes]:
    return problem_response(400, "request.invalid", str(error))


def _on_gone(_: Request[Any, Any, Any], error: LedgerGone) -> Response[bytes]:
    return problem_response(503, "node.stopping", f"{error}; try again when the node is up")


def _on_http(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    if error.status_code >= 500:
        return _on_fault(_, error)
    extra = "" if not error.extra else f" {error.extra}"
    headers = {
        name.title(): value for name, value in (error.headers or {}).items()
    }  # RFC 9110: 405 has Allow
    return problem_response(
        error.status_code, f"http.{error.status_code}", f"{error.detail}{extra}"[:MAX_DETAIL], headers=headers
    )


def _on_invalid(_: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    """A parameter or body that is not of its type."""
    if error.status_code >= 500:
        return _on_fault(_, error)
    extra = error.extra if isinstance(error.extra, list) else []
    wrong = "; ".join(
        f"{each.get('key', '')}: {each.get('message', '')}" for each in extra if isinstance(each, dict)
    )
    return problem_response(400, "request.invalid", (wrong or str(error.detail))[:MAX_DETAIL])


def _on_text(_: Request[Any, Any, Any], error: UnicodeDecodeError) -> Response[bytes]:
    return problem_response(400, "request.invalid", "the text is not UTF-8")


def _on_too_deep(_: Request[Any, Any, Any], error: RecursionError) -> Response[bytes]:
    return problem_response(400, "request.invalid", "nested too deeply")


def _on_fault(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """What nobody foresaw, or a store that cannot be read: the log has it, the caller learns nothing of it."""
    log.error("a request failed: %r", error, exc_info=error)
    return problem_response(500, "node.fault", "the node could not answer; its log says why")


HANDLERS: Final[dict[Any, Callable[..., Response[Any]]]] = {
    Problem: _on_problem,
    Rejected: _on_rejected,
    FormInvalid: _on_form,
    LedgerGone: _on_gone,
    ValidationException: _on_invalid,
    HTTPException: _on_http,
    UnicodeDecodeError: _on_text,
    RecursionError: _on_too_deep,
    Exception: _on_fault,
}
