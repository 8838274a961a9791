"""The floor of a test. Whatever the test did, every invariant of the whole ledger holds in the end."""

from collections.abc import Iterator

import pytest

from modules.settlement.desk import Floor


@pytest.fixture
def floor() -> Iterator[Floor]:
    """A market with funded parties."""
    made = Floor()
    yield made
    made.check()
