"""A bounded part of the simulation: ``make torture-channels`` does the same for as long as one likes."""

import pytest

from torture.report import Counts
from torture_channels.simulation import DRILLS, SCENES, Simulation

_STEPS = 30


@pytest.mark.parametrize("number", range(2))
def test_disturbed_channels_do_what_was_acknowledged_once_and_nothing_else(number: int) -> None:
    counts = Counts()
    Simulation(f"bounded {number}", counts, _STEPS).run()
    assert (counts["work: runs"], counts["work: transactions compared"] > 50) == (1, True)
    assert sum(counts[f"disturbance: {name}"] for name in DRILLS) == SCENES


def test_same_seed_gives_the_same_sequence_and_another_seed_another_one() -> None:
    simulations = [Simulation(name, Counts(), 6, ()) for name in ("repeated", "repeated", "other")]
    for simulation in simulations:
        simulation.run()
    first, again, other = (each.sequence for each in simulations)
    assert (again == first, other == first) == (True, False)
