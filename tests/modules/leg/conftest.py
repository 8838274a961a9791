"""Legs come with protocol 3."""

import pytest

from traco.kernel import founding, protocol


@pytest.fixture(autouse=True)
def protocol_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """The software under test has protocols up to 3 at least."""
    newest = max(3, protocol.NEWEST_PROTOCOL)
    monkeypatch.setattr(protocol, "NEWEST_PROTOCOL", newest)
    monkeypatch.setattr(founding, "NEWEST_PROTOCOL", newest)
