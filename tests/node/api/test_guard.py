"""Pages in a browser on the same machine cannot use the REST interface; slow clients do not hold it up."""

import asyncio

import pytest
from litestar.types import Receive, Scope, Send

from support.api import WholeNode
from traco.node.api import guard
from traco.node.api.guard import Guard
from traco.node.api.problems import Problem


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:7470", "localhost", "LOCALHOST:1", "[::1]", "[::1]:7470"]
)
def test_the_loopback_names_are_served(node: WholeNode, host: str) -> None:
    assert node.client.get("/v1/status", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["", "example.com", "example.com:7470", "127.0.0.1.example.com", "127.0.0.1:x", "127.0.0.1:", "evil@127.0.0.1", "10.0.0.1", "::1",
     "localhost.", "127.0.0.1:7470:80"],
)  # fmt: skip
def test_another_host_is_refused_as_a_rebound_name_would_be(node: WholeNode, host: str) -> None:
    answer = node.client.get("/v1/status", headers={"host": host})
    assert (answer.status_code, answer.json()["code"]) == (403, "request.host")


@pytest.mark.parametrize(
    "origin", ["http://example.com", "null", "https://127.0.0.1", "http://127.0.0.1:8080", ""]
)
def test_a_page_of_another_site_is_refused(node: WholeNode, origin: str) -> None:
    answer = node.client.post("/v1/queries/party.get", json={}, headers={"origin": origin})
    assert (answer.status_code, answer.json()["code"]) == (403, "request.origin")


def test_a_page_of_this_interface_itself_is_served(node: WholeNode) -> None:
    headers = {"host": "localhost:7470", "origin": "http://localhost:7470"}
    assert node.client.get("/v1/status", headers=headers).status_code == 200


def test_no_answer_allows_other_origins(node: WholeNode) -> None:
    answer = node.client.options("/v1/status", headers={"access-control-request-method": "GET"})
    assert [name for name in answer.headers if name.startswith("access-control")] == []


def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.0)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    async def never() -> object:
        await asyncio.Event().wait()
        return {}

    async def work() -> None:
        scope = {"type": "http", "headers": [(b"host", b"127.0.0.1")], "raw_path": b"/", "query_string": b""}
        with pytest.raises(Problem) as caught:
            await Guard(app)(scope, never, never)  # type: ignore[arg-type]
        assert (caught.value.status, caught.value.code) == (408, "request.timeout")

    asyncio.run(work())


def test_a_client_that_goes_away_in_the_middle_is_no_fault() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    async def gone() -> object:
        return {"type": "http.disconnect"}

    async def work() -> None:
        scope = {"type": "http", "headers": [(b"host", b"127.0.0.1")], "raw_path": b"/", "query_string": b""}
        with pytest.raises(Problem) as caught:
            await Guard(app)(scope, gone, gone)  # type: ignore[arg-type]
        assert caught.value.code == "request.incomplete"

    asyncio.run(work())


def test_headers_have_a_length(node: WholeNode) -> None:
    for count, status in ((15_000, 200), (17_000, 431)):
        assert node.client.get("/v1/status", headers={"x-long": "a" * count}).status_code == status
    many = {f"x-{number}": "a" * 100 for number in range(200)}
    answer = node.client.get("/v1/status", headers=many)
    assert (answer.status_code, answer.json()["code"]) == (431, "request.headers_too_long")


def test_path_and_query_have_a_length(node: WholeNode) -> None:
    answer = node.client.get("/v1/status?" + "a" * 9_000)
    assert (answer.status_code, answer.json()["code"]) == (414, "request.target_too_long")


@pytest.mark.parametrize(
    ("host", "is_served"),
    [("node.example", True), ("NODE.example:443", True), ("a.banks.example", True), ("banks.example", False),
     ("a.b.banks.example", False), ("[2001:db8::1]:7470", True), ("127.0.0.1", False), ("node.example.", False)],
)  # fmt: skip
def test_elsewhere_the_names_are_those_of_the_certificate(host: str, is_served: bool) -> None:
    guard = Guard(app=None, names=("node.example", "*.banks.example", "[2001:db8::1]"), scheme="https")  # type: ignore[arg-type]
    assert guard._is_own(host.lower()) == is_served
