"""Problem documents: stable codes, texts for people, and nothing of the inside when something fails."""

import logging
from typing import Any

import msgspec
import pytest
from litestar import Litestar, get
from litestar.response import Response
from litestar.testing import TestClient

from traco.kernel.errors import Expired, Failure, SignatureMissing
from traco.node.api.problems import HANDLERS, REFUSALS, Problem, failure_text, problem_response
from traco.node.link import LedgerGone
from traco.storage import StoreLocked

FAULTS: dict[str, Exception] = {
    "bug": ZeroDivisionError("secret"), "store": StoreLocked("/secret/path", 7), "gone": LedgerGone(), "deep": RecursionError(),
    "problem": Problem(418, "x.y", "said", {"more": 1}), "text": UnicodeDecodeError("utf-8", b"\xff", 0, 1, "secret"),
}  # fmt: skip


def answer(name: str) -> Any:
    @get("/")
    async def failing() -> None:
        raise FAULTS[name]

    app = Litestar([failing], exception_handlers=HANDLERS, debug=False, logging_config=None)
    with TestClient(app, raise_server_exceptions=False) as client:
        return client.get("/")


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("bug", 500, "node.fault"), ("store", 500, "node.fault"), ("gone", 503, "node.stopping"), ("deep", 400, "request.invalid"),
        ("problem", 418, "x.y"), ("text", 400, "request.invalid"),
    ],
)  # fmt: skip
def test_what_is_raised_becomes_a_problem_document(
    name: str, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "traco.api"):
        found = answer(name)
    assert (found.status_code, found.json()["code"], found.json()["status"]) == (status, code, status)
    assert "secret" not in found.text
    assert ("secret" in caplog.text) == (status == 500)


def test_fields_stand_beside_the_document_and_cannot_replace_it() -> None:
    response: Response[bytes] = problem_response(400, "a.b", "said", {"code": "other", "more": 1})
    assert msgspec.json.decode(response.content) == {
        "type": "about:blank", "title": "a.b", "status": 400, "code": "a.b", "detail": "said", "more": 1,
    }  # fmt: skip


def test_every_refusal_of_the_kernel_has_a_text() -> None:
    assert Expired.code in REFUSALS
    text = failure_text(Expired.code, Expired(5, 7).failure(), REFUSALS)
    assert text == f"{Expired.says.format(valid_until=5, time_ms=7)} {Expired.advice}"


def test_bytes_are_shown_in_hex() -> None:
    assert "abcd" in failure_text(
        SignatureMissing.code, SignatureMissing(b"\xab\xcd", 2, 1).failure(), REFUSALS
    )


def test_the_text_of_an_unknown_code_or_of_other_fields_is_the_code() -> None:
    assert failure_text("a.b", Failure("a.b", ()), REFUSALS) == "a.b"
    assert failure_text(Expired.code, Failure(Expired.code, (("other", 1),)), REFUSALS) == Expired.code
