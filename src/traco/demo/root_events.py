"""What the root says of channels in the events of its receipts, which every member of the network may read."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from threading import Timer
from typing import Any, Final

from traco.client.sdk import LedgerClient, LedgerEvent
from traco.demo.stage import DemoFailed

BEGINNING: Final = "0.0.0"


def about(events: Sequence[dict[str, Any]], **fields: bytes) -> list[dict[str, Any]]:
    """Those that have these ids in these fields, such as ``channel``."""
    return [event for event in events if _fits(event, fields)]


def awaited(client: LedgerClient, kind: str, seconds: float, **fields: bytes) -> LedgerEvent:
    """The first event of a kind with these ids, from the network's beginning on, once it is there. Raises ``DemoFailed``."""
    for event in _bounded(client, kind, seconds):
        if _fits(event.event, fields):
            return event
    raise DemoFailed(f"the root says {kind} within {seconds:g} s")


def entered(client: LedgerClient, entry: str, seconds: float, **fields: bytes) -> LedgerEvent:
    """Where the first entry of a kind, such as ``decided``, came into a channel's stream. Raises ``DemoFailed``."""
    for event in _bounded(client, "channel.entered/1", seconds):
        if _fits(event.event, fields) and event.event["entry"]["type"] == entry:
            return event
    raise DemoFailed(f"the root orders an entry of kind {entry} within {seconds:g} s")


def first(
    client: LedgerClient, kind: str, count: int, seconds: float, **fields: bytes
) -> list[dict[str, Any]]:
    """The first ``count`` events of a kind with these ids, from the network's beginning on. Raises ``DemoFailed``."""
    fitting = (dict(event.event) for event in _bounded(client, kind, seconds) if _fits(event.event, fields))
    found = list(islice(fitting, count))
    if len(found) < count:
        raise DemoFailed(f"the root says {kind} {count} times within {seconds:g} s")
    return found


def _fits(event: Any, fields: dict[str, bytes]) -> bool:
    return all(event.get(name) == value.hex() for name, value in fields.items())


def _bounded(client: LedgerClient, kind: str, seconds: float) -> Iterator[LedgerEvent]:
    with closing(client.events(after=BEGINNING, type=kind)) as events:
        timer = Timer(seconds, events.close)
        timer.daemon = True
        timer.start()
        try:
            yield from events
        finally:
            timer.cancel()
