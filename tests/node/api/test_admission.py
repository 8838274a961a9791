"""What stands before the routes: undeclared routes, rates, requests at once, bodies in JSON."""

from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar, Request, get, post
from litestar.middleware import DefineMiddleware
from litestar.testing import TestClient

from traco.node.api.admission import Admission, Admits, Counters, _JsonBounds, admits, admits_stream
from traco.node.api.principals import LOCAL, AccessDenied, Principal, Role, principal_of
from traco.node.api.problems import HANDLERS, Problem
from traco.node.api.settings import ApiLimits

LIMITS = ApiLimits(
    requests_per_second=1, request_burst=5, anonymous_per_second=1, anonymous_burst=7, json_bytes=100, json_depth=3
)  # fmt: skip
PARTY = Principal(Role.PARTY, b"p" * 16, b"k" * 33, "submit")


class Known:
    """Stands for ``Principals``: the Authorization header names the principal."""

    def __init__(self, is_open: bool = False) -> None:
        self.is_open = is_open
        self.names = {
            "party": PARTY, "reader": PARTY._replace(scope="read"), "auditor": PARTY._replace(role=Role.AUDITOR),
            "operator": PARTY._replace(role=Role.OPERATOR),
        }  # fmt: skip

    def of(self, authorization: list[str]) -> Principal:
        if not authorization and self.is_open:
            return LOCAL
        if authorization and authorization[0] in self.names:
            return self.names[authorization[0]]
        raise AccessDenied("access.missing", "none", "bring one")

    def is_known(self, authorization: list[str]) -> bool:
        return bool(authorization) and authorization[0] in self.names


@get("/undeclared")
async def undeclared() -> None:
    raise AssertionError("it was reached")


@get("/open", opt=admits(Admits.EVERYBODY))
async def everybody() -> str:
    return "yes"


@get("/party", opt=admits(Admits.PRINCIPAL))
async def party(request: Request[Any, Any, Any]) -> str:
    return principal_of(request).name


@get("/stream", opt=admits_stream(Admits.PRINCIPAL))
async def streamed() -> str:
    return "yes"


@get("/submit", opt=admits(Admits.SUBMITTER))
async def submitter() -> str:
    return "yes"


@get("/audit", opt=admits(Admits.AUDITOR))
async def auditor() -> str:
    return "yes"


@get("/inside", opt=admits(Admits.OPERATOR))
async def operator() -> str:
    return "yes"


@post("/body", opt=admits(Admits.PRINCIPAL), status_code=200)
async def body(request: Request[Any, Any, Any]) -> int:
    return len(await request.body())


ROUTES = [undeclared, everybody, party, streamed, submitter, auditor, operator, body]


def client_of(is_open: bool, limits: ApiLimits = LIMITS) -> TestClient[Litestar]:
    counters = Counters(limits, lambda: 0.0)
    app = Litestar(
        ROUTES, exception_handlers=HANDLERS, debug=False, logging_config=None, openapi_config=None,
        middleware=[DefineMiddleware(Admission, principals=Known(is_open), counters=counters)],
    )  # fmt: skip
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def client() -> Iterator[TestClient[Litestar]]:
    with client_of(is_open=False) as opened:
        yield opened


def asked(client: TestClient[Litestar], path: str, name: str = "") -> tuple[int, str]:
    answer = client.get(path, headers={"authorization": name} if name else {})
    return answer.status_code, answer.text if answer.status_code == 200 else answer.json()["code"]


@pytest.mark.parametrize("name", ["", "party", "operator"])
def test_a_route_that_does_not_say_whom_it_admits_admits_nobody(
    client: TestClient[Litestar], name: str
) -> None:
    assert asked(client, "/undeclared", name) == (403, "access.undeclared")


ADMITTED = {
    "/open": {"", "party", "reader", "auditor", "operator"}, "/party": {"party", "reader", "auditor", "operator"},
    "/stream": {"party", "reader", "auditor", "operator"}, "/submit": {"party", "auditor", "operator"},
    "/audit": {"auditor", "operator"}, "/inside": {"operator"},
}  # fmt: skip


@pytest.mark.parametrize("path", sorted(ADMITTED))
@pytest.mark.parametrize("name", ["", "party", "reader", "auditor", "operator"])
def test_routes_admit_those_whom_they_say(client: TestClient[Litestar], path: str, name: str) -> None:
    status, code = asked(client, path, name)
    if name in ADMITTED[path]:
        assert status == 200
    elif not name:
        assert (status, code) == (401, "access.missing")
    else:
        assert (status, code) == (403, "access.scope" if path == "/submit" else "access.role")


def test_the_route_learns_for_whom_it_is_asked(client: TestClient[Litestar]) -> None:
    assert asked(client, "/party", "party") == (200, (b"p" * 16).hex())


def test_a_principal_has_a_rate_whatever_tokens_it_brings(client: TestClient[Litestar]) -> None:
    for name in ("party", "reader", "auditor", "party", "reader"):
        assert asked(client, "/party", name)[0] == 200
    answer = client.get("/party", headers={"authorization": "party"})
    assert (answer.status_code, answer.json()["code"]) == (429, "limit.rate")
    assert int(answer.headers["retry-after"]) >= 1


def test_requests_without_a_good_token_have_a_rate_by_address(client: TestClient[Litestar]) -> None:
    for _ in range(4):
        assert asked(client, "/party", "wrong") == (401, "access.missing")
    for _ in range(3):
        assert asked(client, "/open")[0] == 200
    assert asked(client, "/open") == (429, "limit.rate")
    assert asked(client, "/party", "wrong") == (429, "limit.rate")
    assert asked(client, "/party", "party")[0] == 200


def test_the_local_operator_of_a_development_network_has_no_rate() -> None:
    with client_of(is_open=True) as client:
        assert {asked(client, path) for path in ("/party", "/inside") for _ in range(20)} == {
            (200, "local"),
            (200, "yes"),
        }


def test_streams_and_requests_are_counted_apart() -> None:
    with client_of(is_open=False, limits=ApiLimits(streams=0, streams_all=0)) as client:
        assert asked(client, "/party", "party")[0] == 200
        assert asked(client, "/stream", "party") == (429, "limit.streams")
    with client_of(is_open=False, limits=ApiLimits(requests_at_once=0)) as client:
        assert asked(client, "/party", "party") == (429, "limit.requests")
        assert asked(client, "/stream", "party")[0] == 200


def posted(client: TestClient[Litestar], content: bytes, kind: str = "application/json") -> tuple[int, Any]:
    answer = client.post("/body", content=content, headers={"authorization": "party", "content-type": kind})
    return answer.status_code, answer.json() if answer.status_code == 200 else answer.json()["code"]


def test_a_body_in_json_has_a_length_and_a_depth(client: TestClient[Litestar]) -> None:
    assert posted(client, b"[[[" + b"1," * 40 + b"1]]]") == (200, 87)
    assert posted(client, b" " * 101) == (413, "request.too_large")
    assert posted(client, b"[[[[1]]]]") == (400, "request.too_deep")
    assert posted(client, b"[" * 101, "application/octet-stream") == (200, 101)


@pytest.mark.parametrize(
    ("text", "depth"),
    [(b"[]", 0), (b'["[[[[["]', 0), (b'["\\"[[[["]', 0), (b'["\\\\", [', 2), (b'{"a": {"b": [', 3), (b'["\\\\\\"[[[', 1), (b'"[', 0)],
)  # fmt: skip
def test_brackets_in_texts_do_not_count_however_the_body_is_cut(text: bytes, depth: int) -> None:
    for cut in range(len(text) + 1):
        bounds = _JsonBounds(1_000, 10)
        bounds.add(text[:cut])
        bounds.add(text[cut:])
        assert bounds._depth == depth


def test_the_bounds_of_a_body_hold_over_all_its_parts() -> None:
    bounds = _JsonBounds(10, 10)
    bounds.add(b"x" * 10)
    with pytest.raises(Problem) as caught:
        bounds.add(b"x")
    assert caught.value.status == 413
