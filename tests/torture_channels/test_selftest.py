"""The torture finds every fault that is planted, and without one nothing."""

import pytest

from torture_channels.plants import PLANTS
from torture_channels.selftest import search

_LONG = (
    "void_not_seen",
    "undurable_book",
    "ids_not_used_up",
    "deadline_ignored",
)  # ``make torture-selftest`` has them


@pytest.mark.parametrize("name", [name for name in PLANTS if name not in _LONG])
def test_planted_fault_is_found(name: str) -> None:
    plant = PLANTS[name]
    assert search(name, plant, seed=1, seconds=120).check in plant.checks
