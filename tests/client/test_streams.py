"""The stream of events: its messages however they are cut, and going on behind what was seen."""

from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.scripted_node import IDENTITY, ScriptedNode, connect, problem, status
from traco.client import streams
from traco.client.results import ClientError, Forbidden, NodeUnreachable, OtherNetwork, StrangeAnswer
from traco.client.streams import LedgerEvent, Message, Messages, parse_position
from traco.client.transport import Patience

EVENTS = "/v1/events"


def ledger(position: str, **changes: Any) -> bytes:
    form = {
        "position": position, "time_ms": 5, "transaction": IDENTITY.hex(), "kind": "transaction", "event": {"type": "a.b/1"},
        **changes,
    }  # fmt: skip
    return b"event: ledger\nid: " + position.encode() + b"\ndata: " + msgspec.json.encode(form) + b"\n\n"


def progress(position: str) -> bytes:
    return f'event: progress\nid: {position}\ndata: {{"position": "{position}"}}\n\n'.encode()


def stream(*parts: bytes) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=b"".join(parts))


END = b'event: end\ndata: {"code": "node.stopping", "detail": "x"}\n\n'


@pytest.fixture
def node() -> ScriptedNode:
    return ScriptedNode()


def asked(node: ScriptedNode) -> list[dict[str, str]]:
    return [dict(request.url.params) for request in node.requests if request.url.path == EVENTS]


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=30))
def test_bytes_that_are_no_messages_do_nothing(chunks: list[bytes]) -> None:
    messages = Messages()
    for chunk in chunks:
        list(messages.feed(chunk))


@given(st.data())
def test_messages_are_the_same_however_they_are_cut(data: st.DataObject) -> None:
    ends = data.draw(st.sampled_from([b"\n", b"\r\n"]))
    raw = b": comment\n\n" + progress("1.0.0") + ledger("1.1.0") + b"data: a\ndata: b\nunknown: c\n\n" + END
    raw = raw.replace(b"\n", ends)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=20)))
    parts = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    messages = Messages()
    found = [message for part in parts for message in messages.feed(part)]
    assert [message.event for message in found] == ["progress", "ledger", "message", "end"]
    assert found[2] == Message("message", "1.1.0", b"a\nb")


def test_a_message_that_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_MESSAGE_BYTES", 100)
    messages = Messages()
    chunks = (message for _ in range(20) for message in messages.feed(b"data: 123456\n"))
    with pytest.raises(StrangeAnswer):
        list(chunks)


def test_events_come_with_their_position_and_transaction(node: ScriptedNode) -> None:
    node.line_up(EVENTS, stream(ledger("3.1.0")))
    with (
        connect(node) as client,
        client.events(after="0.0.0", type="a.", party=b"\x01", account=b"\x02") as events,
    ):
        assert next(events) == LedgerEvent("3.1.0", 5, IDENTITY, {"type": "a.b/1"}, "transaction")
        assert events.position == "3.1.0"
    assert asked(node) == [{"after": "0.0.0", "type": "a.", "party": "01", "account": "02"}]


def test_a_stream_goes_on_behind_the_last_event(node: ScriptedNode) -> None:
    node.line_up(EVENTS, stream(ledger("3.1.0"), ledger("3.1.1")), stream(ledger("4.1.0")))
    with connect(node) as client, client.events() as events:
        assert [next(events).position for _ in range(3)] == ["3.1.0", "3.1.1", "4.1.0"]
    assert asked(node) == [{}, {"after": "3.1.1"}]


def test_a_stream_goes_on_behind_what_the_node_looked_at(node: ScriptedNode) -> None:
    node.line_up(EVENTS, stream(ledger("3.1.0"), progress("9.0.0")), stream(ledger("10.1.0")))
    with connect(node) as client, client.events() as events:
        assert [next(events).position for _ in range(2)] == ["3.1.0", "10.1.0"]
    assert asked(node)[1] == {"after": "9.0.0"}


def test_what_came_before_the_end_is_given_out_before_anything_is_waited_for(node: ScriptedNode) -> None:
    node.line_up(EVENTS, stream(ledger("3.1.0"), END))
    with connect(node) as client, client.events() as events:
        next(events)
        assert node.waits == []


def test_an_event_that_comes_twice_is_given_once(node: ScriptedNode) -> None:
    node.line_up(EVENTS, stream(ledger("3.1.0")), stream(ledger("2.1.0"), ledger("3.1.0"), ledger("3.10.0")))
    with connect(node) as client, client.events() as events:
        assert [next(events).position for _ in range(2)] == ["3.1.0", "3.10.0"]


def test_half_a_message_is_none(node: ScriptedNode) -> None:
    node.line_up(EVENTS, stream(ledger("3.1.0")[:-1]), stream(ledger("3.1.0")))
    with connect(node) as client, client.events() as events:
        assert next(events).position == "3.1.0"
    assert len(asked(node)) == 2


def test_pauses_grow_until_the_node_is_there_again(node: ScriptedNode) -> None:
    node.line_up(EVENTS, *[httpx.ConnectError("refused")] * 9, stream(ledger("3.1.0")))
    with connect(node) as client, client.events() as events:
        next(events)
    waits = [seconds for seconds in node.waits if seconds > 0]
    assert waits[-1] > waits[0]
    assert max(waits) <= 1.5 * streams.LONGEST_PAUSE_SECONDS


def test_an_outage_that_is_too_long_is_an_error(node: ScriptedNode) -> None:
    node.line_up(EVENTS, httpx.ConnectError("refused"))
    with connect(node) as client, client.events(outage_seconds=60) as events, pytest.raises(NodeUnreachable):
        next(events)
    assert 30 < sum(node.waits) <= 60


def test_a_node_that_ends_every_stream_at_once_is_not_asked_for_ever(node: ScriptedNode) -> None:
    node.line_up(EVENTS, stream(progress("1.0.0"), END))
    with connect(node) as client, client.events(outage_seconds=60) as events, pytest.raises(NodeUnreachable):
        next(events)


def test_without_pauses_a_stream_ends_with_its_connection(node: ScriptedNode) -> None:
    node.line_up(EVENTS, stream(ledger("3.1.0")))
    with connect(node, patience=Patience(())) as client, client.events() as events:
        next(events)
        with pytest.raises(NodeUnreachable):
            next(events)


def test_a_refusal_is_an_error_at_once(node: ScriptedNode) -> None:
    node.line_up(EVENTS, problem(403, "access.scope"))
    with connect(node) as client, client.events() as events, pytest.raises(Forbidden):
        next(events)
    assert len(asked(node)) == 1


def test_after_an_outage_another_network_is_noticed(node: ScriptedNode) -> None:
    node.line_up(EVENTS, stream(ledger("3.1.0")))
    with connect(node) as client, client.events() as events:
        next(events)
        node.answers["/v1/status"] = [httpx.Response(200, json=status(network="aa" * 32))]
        with pytest.raises(OtherNetwork):
            next(events)


def test_a_stream_that_was_closed_ends(node: ScriptedNode) -> None:
    node.line_up(EVENTS, stream(ledger("3.1.0"), ledger("4.1.0"), ledger("5.1.0")))
    with connect(node) as client, client.events() as events:
        next(events)
        events.close()
        assert list(events) == []


BROKEN = [
    b"event: ledger\nid: 1.1.0\ndata: {\n\n", b"event: ledger\nid: 1.1.0\ndata: []\n\n", ledger("1.1"), ledger("1.1.0", event=5),
    ledger("1.1.0").replace(b'"1.1.0"', b"5"), ledger("1.1.0", transaction="zz"), b"event: progress\nid: x\ndata: {}\n\n", b"event: progress\ndata: {}\n\n",
]  # fmt: skip


@pytest.mark.parametrize("content", BROKEN)
def test_what_is_no_message_of_a_node_is_named_as_such(node: ScriptedNode, content: bytes) -> None:
    node.line_up(EVENTS, stream(content))
    with connect(node) as client, client.events() as events, pytest.raises(StrangeAnswer):
        next(events)


@pytest.mark.parametrize(
    "text", ["", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.-3", "1.2.3 ", "a.b.c", "\u0661.2.3", "1" * 80]
)
def test_what_is_no_position_is_refused_before_anything_is_asked(node: ScriptedNode, text: str) -> None:
    with connect(node) as client, pytest.raises(ClientError, match=r"stream\.position_invalid"):
        client.events(after=text)


@given(st.tuples(*[st.integers(0, 2**53 - 1)] * 3))
def test_a_position_is_read_as_it_is_written(numbers: tuple[int, int, int]) -> None:
    assert parse_position(".".join(map(str, numbers))) == numbers
