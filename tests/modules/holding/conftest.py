"""The market of a test. Whatever the test did, every invariant of the whole ledger holds in the end."""

from collections.abc import Iterator

import pytest

from modules.holding.desk import Market


@pytest.fixture
def market() -> Iterator[Market]:
    """A market with cash created."""
    made = Market()
    made.create_cash()
    yield made
    assert made.ledger.check_invariants() == []
    assert len(made.ledger.alarms) == made.expected_alarms, made.ledger.alarms
