"""A real node of three members, whose processes are killed under payments."""

import pytest

from torture.report import Counts
from torture_channels.processes import torture_processes


@pytest.mark.slow
def test_killed_processes_lose_and_repeat_nothing_that_was_acknowledged() -> None:
    counts = Counts()
    torture_processes("bounded", counts, 0.5)
    killed = sum(number for what, number in counts.items() if what.endswith("killed with signal 9"))
    compared = counts["work: transactions compared"]
    assert (killed > 0, compared > 0) == (True, True)
    assert counts["work: transactions acknowledged"] == compared
