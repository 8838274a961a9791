"""python -m torture_channels --seconds 300 --seed 1     [--run 3] [--selftest]     (make torture-channels, make torture-selftest)"""

import sys
import time

from torture.command import found_difference, options
from torture.report import Counts, Difference, Progress, say
from torture_channels.processes import torture_processes
from torture_channels.selftest import SECONDS_EACH, run_selftest
from torture_channels.simulation import torture_simulation

PROCESSES_SHARE = 0.2  # of the time; the simulation has the rest


def main() -> int:
    """0 if channels stood it, or every planted fault was found; else 1."""
    given = options(
        "torture_channels", "Torture confidential channels, simulated and in real processes.", SECONDS_EACH
    )
    if given.selftest:
        say(f"Known faults are planted in channels, one at a time (seed {given.seed}):")
        return 0 if run_selftest(given.seed, given.selftest_seconds) else 1
    return torture(given.seconds, given.seed, given.run)


def torture(seconds: float, seed: int, run: int | None) -> int:
    """Both parts, one after the other, and the table of what was done."""
    until = time.monotonic() + seconds
    parts = {part: Counts() for part in ("simulation", "processes")}
    say(f"Torture of channels for {seconds:g} seconds with seed {seed}.")
    part = "processes"
    try:
        if run is None:
            torture_processes(f"{seed}", parts["processes"], PROCESSES_SHARE * seconds)
        part, left = "simulation", until - time.monotonic()
        torture_simulation(f"{seed}", parts["simulation"], left, Progress("simulation"), run, say)
    except Difference as difference:
        say(f"DIFFERENCE with seed {seed}: {difference}")
        parts[part]["difference: found"] += 1
    found = found_difference(parts)
    if not found:
        say("")
        say("Every invariant held: " + "; ".join(INVARIANTS) + ".")
    return 1 if found else 0


INVARIANTS = (
    "no unit was created, lost or in two places, over the root and all channels", "every hold ended",
    "members had the same state and digests at every confirmed point", "nothing acknowledged was lost or applied twice",
    "nothing confirmed was undone", "nothing planted was found outside its channel", "the root never stopped",
)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
