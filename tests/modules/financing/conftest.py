"""The desk of a test. Whatever the test did, every invariant of the whole ledger holds in the end."""

from collections.abc import Iterator

import pytest

from modules.financing.desk import Desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A desk on a fresh ledger."""
    made = Desk()
    yield made
    assert made.ledger.check_invariants() == []
    assert len(made.ledger.alarms) == made.expected_alarms, made.ledger.alarms
