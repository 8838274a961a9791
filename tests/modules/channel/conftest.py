"""The town of a test. Whatever the test did, every invariant of the whole ledger holds in the end."""

from collections.abc import Iterator

import pytest

from modules.channel.world import World
from traco.kernel import founding, protocol


@pytest.fixture(autouse=True)
def protocol_of_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The protocol that brings channels."""
    monkeypatch.setattr(protocol, "NEWEST_PROTOCOL", 3)
    monkeypatch.setattr(founding, "NEWEST_PROTOCOL", 3)


@pytest.fixture
def world() -> Iterator[World]:
    """Five organisations with seats, and no channel yet."""
    made = World()
    yield made
    made.check()
