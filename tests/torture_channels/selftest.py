"""Plants known faults, one at a time, and shows that the torture finds every one. Without one, it finds nothing."""

import time
from typing import Final, NamedTuple

from torture.report import Counts, Difference, print_table, say
from torture_channels.plants import PLANTS, Plant
from torture_channels.simulation import Simulation

SECONDS_EACH: Final = 60.0
STEPS: Final = 40


class Found(NamedTuple):
    """How a fault was found; ``check`` is empty where it was not."""

    check: str
    runs: int
    steps: int
    text: str


def search(name: str, plant: Plant, seed: int, seconds: float = SECONDS_EACH) -> Found:
    """Torture towns with this fault until it is found or the time is over. Where there is no fault, one town is enough."""
    counts, runs, until = Counts(), 0, time.monotonic() + seconds
    with plant.planted():
        while runs == 0 or ("" not in plant.checks and time.monotonic() < until):
            runs += 1
            try:
                Simulation(f"selftest {name} {seed} {runs}", counts, STEPS, plant.drills).run()
            except Difference as difference:
                return Found(difference.check, runs, counts["work: steps"], difference.text)
    return Found("", runs, counts["work: steps"], "")


def run_selftest(seed: int, seconds: float = SECONDS_EACH) -> bool:
    """Whether every planted fault was found, by a check that is for it. Prints a table."""
    rows, is_complete = [], True
    for name, plant in PLANTS.items():
        began = time.monotonic()
        found = search(name, plant, seed, seconds)
        is_right = found.check in plant.checks
        is_complete &= is_right
        say(f"  {time.monotonic() - began:5.1f} s  {name}: {found.text[:160] or 'nothing was found'}")
        rows.append(
            (name, plant.says, found.check or "nothing", f"{found.runs}", f"{found.steps}", "as it should be" if is_right else "WRONG")
        )  # fmt: skip
    say("")
    print_table(("fault", "what it does", "found by", "runs", "steps", ""), rows)
    return is_complete
