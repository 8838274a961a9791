"""Attempts: how long between them, how many, and what an answer without success means."""

import httpx
import pytest

from support.scripted_node import ScriptedNode, connect, problem
from traco.client.results import NodeBusy, NodeProblem, StrangeAnswer, TimedOut, TooManyRequests
from traco.client.transport import Patience, problem_in
from traco.client.wire import Answer


@pytest.fixture
def node() -> ScriptedNode:
    return ScriptedNode()


def test_pauses_differ_but_keep_near_what_was_said(node: ScriptedNode) -> None:
    node.line_up("/v1/blocks/1", problem(503, "node.starting"))
    with connect(node, patience=Patience((1.0,) * 50)) as client, pytest.raises(NodeBusy):
        client.block(1)
    assert len(node.waits) == 50
    assert len(set(node.waits)) > 40
    assert all(0.5 <= seconds <= 1.5 for seconds in node.waits)


@pytest.mark.parametrize("status", [429, 503])
def test_a_node_that_says_when_to_come_back_is_believed(node: ScriptedNode, status: int) -> None:
    later = problem(status, "limit.rate", {"retry-after": "7"})
    node.line_up("/v1/blocks/1", later, httpx.Response(200, json={"height": 1}))
    with connect(node) as client:
        assert client.block(1) == {"height": 1}
    assert 7 <= node.waits[0] <= 7.2


def test_a_node_that_wants_to_be_left_alone_for_long_is_not_waited_for(node: ScriptedNode) -> None:
    node.line_up("/v1/blocks/1", problem(429, "limit.rate", {"retry-after": "3600"}))
    with connect(node) as client, pytest.raises(TooManyRequests) as caught:
        client.block(1)
    assert (caught.value.retry_after, node.waits) == (3_600, [])


def test_nothing_is_waited_for_beyond_the_deadline(node: ScriptedNode) -> None:
    node.line_up("/v1/blocks/1", problem(503, "node.starting", {"retry-after": "20"}))
    with connect(node) as client, pytest.raises(TimedOut):
        client.block(1, timeout=10)
    assert node.waits == []


@pytest.mark.parametrize(
    "text", ["", "soon", "-1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 30, "\u0663"]
)
def test_what_is_no_number_of_seconds_says_nothing(text: str) -> None:
    answer = Answer(503, {"retry-after": text}, b'{"code": "a.b", "detail": "No."}')
    assert problem_in(answer).retry_after is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 500])
def test_what_will_not_pass_is_not_asked_again(node: ScriptedNode, status: int) -> None:
    node.line_up("/v1/blocks/1", problem(status, "a.b"))
    with connect(node) as client, pytest.raises(NodeProblem):
        client.block(1)
    assert len(node.sent("/v1/blocks/1")) == 1


@pytest.mark.parametrize("status", [502, 504])
def test_what_stands_before_a_node_is_asked_again(node: ScriptedNode, status: int) -> None:
    node.line_up("/v1/blocks/1", httpx.Response(status, content=b"<html>"), httpx.Response(200, json={}))
    with connect(node) as client:
        assert client.block(1) == {}


def test_advice_is_part_of_what_is_said() -> None:
    answer = Answer(
        429, {}, b'{"code": "a.b", "detail": "too many", "advice": "Wait.", "title": "x", "last": 1}'
    )
    found = problem_in(answer)
    assert (found.detail, found.fields) == ("too many. Wait.", {"last": 1})


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirection_is_not_followed(node: ScriptedNode, status: int) -> None:
    elsewhere = httpx.Response(status, headers={"location": "http://elsewhere/v1/blocks/1"})
    node.line_up("/v1/blocks/1", elsewhere)
    with connect(node) as client, pytest.raises(StrangeAnswer):
        client.block(1)
    assert {request.url.host for request in node.requests} == {"node"}
