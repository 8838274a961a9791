"""Plants known faults, one at a time, and shows that the torture finds every one."""

import time
from typing import NamedTuple

from torture.determinism import Setting, check_determinism
from torture.plants import PLANTS, Plant
from torture.report import Counts, Difference, print_table, say
from torture.simulation import Simulation

SECONDS_EACH = 60.0
LIVES = 10


class Found(NamedTuple):
    """How a fault was found; ``check`` is empty where it was not."""

    check: str
    runs: int
    blocks: int
    text: str


def search(name: str, plant: Plant, seed: int, seconds: float = SECONDS_EACH) -> Found:
    """Torture a ledger with this fault until it is found or the time is over."""
    counts, runs, until = Counts(), 0, time.monotonic() + seconds
    with plant.planted():
        while runs == 0 or time.monotonic() < until:
            runs += 1
            try:
                if plant.in_processes:
                    settings = [Setting(seed + 10 * runs + each, ()) for each in range(2)]
                    check_determinism(f"selftest {seed} {runs}", counts, settings, lives=4, plant=name)
                else:
                    Simulation(f"selftest {seed} {runs}", counts, LIVES).run()
            except Difference as difference:
                return Found(difference.check, runs, counts["work: blocks"], difference.text)
    return Found("", runs, counts["work: blocks"], "")


def run_selftest(seed: int, seconds: float = SECONDS_EACH) -> bool:
    """Whether every planted fault was found. Prints a table."""
    rows = []
    for name, plant in PLANTS.items():
        began = time.monotonic()
        found = search(name, plant, seed, seconds)
        say(f"  {time.monotonic() - began:5.1f} s  {name}: {found.text[:160] or 'NOT FOUND'}")
        rows.append((name, plant.says, found.check or "NOT FOUND", f"{found.runs}", f"{found.blocks}"))
    say("")
    print_table(("fault", "what it does", "found by", "runs", "blocks"), rows)
    return all(row[2] != "NOT FOUND" for row in rows)
