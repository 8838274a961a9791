from collections.abc import Iterator
from typing import Any

import pytest

from traco.client.sdk import LedgerEvent
from traco.demo.root_events import about, awaited, entered, first
from traco.demo.stage import DemoFailed

ONE, OTHER = b"\x01" * 32, b"\x02" * 32
EVENTS: list[dict[str, Any]] = [
    {"channel": OTHER.hex(), "number": 1},
    *(
        {"channel": ONE.hex(), "number": n, "entry": {"type": kind}}
        for n, kind in ((2, "batch"), (3, "leg"), (4, "leg"))
    ),
]


class Stream:
    """What a node streams: these events, until it is closed."""

    def __init__(self) -> None:
        self.closed = 0

    def __iter__(self) -> Iterator[LedgerEvent]:
        for place, event in enumerate(EVENTS):
            yield LedgerEvent(f"1.0.{place}", 0, bytes(32), event, "transaction")

    def close(self) -> None:
        self.closed += 1


class Node:
    """A client of it."""

    def __init__(self) -> None:
        self.stream = Stream()

    def events(self, **_: Any) -> Stream:
        return self.stream


def test_the_first_event_about_a_channel_is_taken_and_the_stream_closed() -> None:
    node: Any = Node()
    assert awaited(node, "channel.entered/1", 60.0, channel=ONE).event["number"] == 2
    assert node.stream.closed == 1


def test_an_entry_of_a_kind_is_found_by_its_channel() -> None:
    node: Any = Node()
    assert entered(node, "leg", 60.0, channel=ONE).position == "1.0.2"
    with pytest.raises(DemoFailed, match="kind tick"):
        entered(node, "tick", 60.0, channel=ONE)


def test_as_many_as_are_wanted_are_taken() -> None:
    node: Any = Node()
    found = first(node, "channel.entered/1", 2, 60.0, channel=ONE)
    assert [each["number"] for each in found] == [2, 3]


def test_events_that_do_not_come_fail_the_demonstration() -> None:
    node: Any = Node()
    with pytest.raises(DemoFailed, match=r"channel\.voided/1"):
        awaited(node, "channel.voided/1", 60.0, channel=bytes(32))
    with pytest.raises(DemoFailed, match="4 times"):
        first(node, "channel.entered/1", 4, 60.0, channel=ONE)


def test_events_of_a_receipt_are_chosen_by_their_channel() -> None:
    assert [each["number"] for each in about(EVENTS, channel=OTHER)] == [1]
