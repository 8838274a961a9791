"""python -m torture --seconds 120 --seed 1        python -m torture --selftest        (make torture, make torture-selftest)"""

import sys
import time

from torture.command import found_difference, options
from torture.determinism import SETTINGS, check_determinism
from torture.processes import torture_processes
from torture.report import Counts, Difference, Progress, say
from torture.selftest import SECONDS_EACH, run_selftest
from torture.simulation import torture_simulation

PROCESSES_SHARE = 0.35  # of the time; determinism comes first, the simulation has the rest
FEW_SECONDS = 30.0  # below this, determinism is checked under fewer settings


def main() -> int:
    """0 if the ledger stood it, or every planted fault was found; else 1."""
    given = options("torture", "Torture the whole ledger and compare it with a model.", SECONDS_EACH)
    if given.selftest:
        say(f"Known faults are planted one at a time (seed {given.seed}):")
        return 0 if run_selftest(given.seed, given.selftest_seconds) else 1
    return torture(given.seconds, given.seed, given.run)


def torture(seconds: float, seed: int, run: int | None) -> int:
    """All parts, one after the other, and the table of what was done."""
    until = time.monotonic() + seconds
    parts = {part: Counts() for part in ("simulation", "processes", "determinism")}
    say(f"Torture for {seconds:g} seconds with seed {seed}.")
    part = "simulation"
    try:
        if run is None:
            settings = SETTINGS if seconds >= FEW_SECONDS else SETTINGS[1:5:3]
            part = "determinism"
            check_determinism(f"{seed} determinism", parts["determinism"], settings)
            part = "processes"
            torture_processes(
                f"{seed}",
                parts["processes"],
                PROCESSES_SHARE * (until - time.monotonic()),
                Progress("processes"),
            )
        part, left = "simulation", until - time.monotonic()
        torture_simulation(f"{seed}", parts["simulation"], left, Progress("simulation"), run)
    except Difference as difference:
        say(f"DIFFERENCE with seed {seed}: {difference}")
        parts[part]["difference: found"] += 1
    return 1 if found_difference(parts) else 0


if __name__ == "__main__":
    sys.exit(main())
