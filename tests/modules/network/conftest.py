"""The desk of a test. Whatever the test did, every invariant of the whole ledger holds in the end."""

from collections.abc import Iterator

import pytest

from modules.network.desk import Desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Four members with one validator of power 1 each; two members together are the council."""
    made = Desk()
    yield made
    made.check()
