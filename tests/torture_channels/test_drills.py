"""Each scene alone, in an otherwise undisturbed town: what is provoked there comes of it."""

import pytest

from torture.report import Counts
from torture_channels.simulation import DRILLS, Simulation

_AT_ONCE = 6  # scenes of one town, so that it is founded seldom
_SOME = [list(DRILLS)[first : first + _AT_ONCE] for first in range(0, len(DRILLS), _AT_ONCE)]


@pytest.mark.parametrize("names", _SOME, ids=lambda names: f"{len(names)} from {names[0]}")
def test_scenes_end_as_they_must(names: list[str]) -> None:
    counts = Counts()
    Simulation(f"scenes {names[0]}", counts, len(names) + 1, names).run()
    assert counts["work: scenes cut short"] == 0
    assert [counts[f"disturbance: {name}"] for name in names] == [1] * len(names)
