"""Channels come with protocol 3."""

import pytest

from traco.kernel import protocol


@pytest.fixture(autouse=True)
def protocol_three(monkeypatch: pytest.MonkeyPatch) -> None:
    """The software under test has protocols up to 3 at least."""
    monkeypatch.setattr(protocol, "NEWEST_PROTOCOL", max(3, protocol.NEWEST_PROTOCOL))
