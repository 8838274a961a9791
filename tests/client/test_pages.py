"""Lists page by page: every list that modules declare, none of it twice, none left out."""

from typing import Any

import httpx
import msgspec
import pytest

from support.scripted_node import ScriptedNode, connect
from traco.client.forms import form_type
from traco.client.pages import CURSORS
from traco.client.results import ClientError, StrangeAnswer
from traco.modules.composition import compose

PATH = "/v1/queries/holding.by_account"


def answer(*rows: str) -> httpx.Response:
    return httpx.Response(200, json={"height": 1, "answer": [{"instrument": row} for row in rows]})


@pytest.fixture
def node() -> ScriptedNode:
    return ScriptedNode()


def asked(node: ScriptedNode) -> list[Any]:
    return [msgspec.json.decode(content) for content in node.sent(PATH)]


def test_every_query_with_pages_is_known() -> None:
    queries = compose().queries
    paged = {name for name, query in queries.items() if "after" in query.request.__struct_fields__}
    assert paged == set(CURSORS)


@pytest.mark.parametrize("name", sorted(CURSORS))
def test_every_list_takes_pages_of_the_ordinary_size(name: str) -> None:
    request = form_type(compose().queries[name].request)
    fields = {field.name for field in msgspec.structs.fields(request)}
    given = {name: "00" * (32 if name == "channel" else 16) for name in fields - {"limit", "after"}}
    msgspec.convert({**given, "limit": 100}, request)


def test_each_page_is_asked_for_behind_the_last_row_of_the_one_before(node: ScriptedNode) -> None:
    node.line_up(PATH, answer("aa", "bb"), answer("cc", "dd"), answer("ee"))
    with connect(node) as client:
        rows = [row["instrument"] for row in client.rows("holding.by_account", account=b"\x01", limit=2)]
    assert rows == ["aa", "bb", "cc", "dd", "ee"]
    assert [request.get("after") for request in asked(node)] == [None, "bb", "dd"]
    assert {(request["account"], request["limit"]) for request in asked(node)} == {("01", 2)}


def test_a_page_is_asked_for_when_it_is_needed(node: ScriptedNode) -> None:
    node.line_up(PATH, answer("aa", "bb"))
    with connect(node) as client:
        rows = client.rows("holding.by_account", account=b"\x01", limit=2)
        assert asked(node) == []
        next(rows)
    assert len(asked(node)) == 1


def test_pages_come_whole(node: ScriptedNode) -> None:
    node.line_up(PATH, answer("aa", "bb"), answer())
    with connect(node) as client:
        assert [len(page) for page in client.pages("holding.by_account", limit=2)] == [2]


def test_a_list_can_be_begun_behind_a_row(node: ScriptedNode) -> None:
    node.line_up(PATH, answer())
    with connect(node) as client:
        assert list(client.rows("holding.by_account", after=b"\xbb")) == []
    assert asked(node)[0]["after"] == "bb"


@pytest.mark.parametrize(
    "content", [{"answer": {}}, {"answer": [1]}, {"answer": [{"instrument": 5}]}, {"answer": None}]
)
def test_what_is_no_page_is_named_as_such(node: ScriptedNode, content: Any) -> None:
    node.line_up(PATH, httpx.Response(200, json=content))
    with connect(node) as client, pytest.raises(StrangeAnswer):
        list(client.rows("holding.by_account", limit=1))


def test_a_node_that_does_not_go_forward_is_not_asked_for_ever(node: ScriptedNode) -> None:
    node.line_up(PATH, answer("aa"))
    with connect(node) as client, pytest.raises(StrangeAnswer):
        list(client.rows("holding.by_account", limit=1))
    assert len(asked(node)) == 2


def test_a_query_without_pages_says_so(node: ScriptedNode) -> None:
    with connect(node) as client, pytest.raises(ClientError, match=r"client\.no_pages"):
        list(client.rows("holding.get"))


def test_a_route_goes_on_with_its_cursor(node: ScriptedNode) -> None:
    pages = [{"items": [1, 2], "next": "c/1"}, {"items": [], "next": "c/2"}, {"items": [3], "next": None}]
    node.line_up("/v1/parties", *(httpx.Response(200, json=page) for page in pages))
    with connect(node) as client:
        assert list(client.rows("/v1/parties", limit=2, after=None)) == [1, 2, 3]
    assert [dict(request.url.params) for request in node.requests] == [
        {"limit": "2"}, {"limit": "2", "after": "c/1"}, {"limit": "2", "after": "c/2"},
    ]  # fmt: skip


@pytest.mark.parametrize("page", [{}, [], {"items": {}, "next": None}, {"items": [1]}])
def test_what_is_no_page_of_a_route_is_named_as_such(node: ScriptedNode, page: Any) -> None:
    node.line_up("/v1/parties", httpx.Response(200, json=page))
    with connect(node) as client, pytest.raises(StrangeAnswer):
        list(client.rows("/v1/parties"))


def test_a_route_whose_cursor_stays_is_not_asked_for_ever(node: ScriptedNode) -> None:
    node.line_up("/v1/parties", httpx.Response(200, json={"items": [1], "next": "c"}))
    with connect(node) as client, pytest.raises(StrangeAnswer):
        list(client.rows("/v1/parties"))
    assert len(node.requests) == 2
