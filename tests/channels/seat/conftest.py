"""Channels come with protocol 3."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from channels.seat.sites import Sites
from traco.kernel import founding, protocol


@pytest.fixture(autouse=True)
def protocol_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """The software under test has protocols up to 3 at least."""
    for module in (protocol, founding):
        monkeypatch.setattr(module, "NEWEST_PROTOCOL", max(3, protocol.NEWEST_PROTOCOL))


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[Sites]:
    """Four organisations with a node each."""
    made = Sites(tmp_path)
    yield made
    made.close()
    assert made.alarms == []
