"""The torture finds every fault that is planted (the one that shows only in other processes: ``test_determinism``)."""

import pytest

from torture.plants import PLANTS
from torture.selftest import search


@pytest.mark.parametrize("name", [name for name, plant in PLANTS.items() if not plant.in_processes])
def test_planted_fault_is_found(name: str) -> None:
    assert search(name, PLANTS[name], seed=1, seconds=120).check != ""
