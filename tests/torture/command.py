"""What the commands of torture have in common: their options, and how they end."""

import argparse
from collections.abc import Mapping

from torture.report import Counts, print_counts


def options(program: str, description: str, seconds_each: float) -> argparse.Namespace:
    """As they were given: ``seconds``, ``seed``, ``run``, ``selftest``, ``selftest_seconds``."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--seconds", type=float, default=120.0, help="how long, about")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same simulated sequence")
    parser.add_argument("--run", type=int, default=None, help="only this run of the simulation")
    parser.add_argument("--selftest", action="store_true", help="plant known faults; every one must be found")
    parser.add_argument(
        "--selftest-seconds", type=float, default=seconds_each, help="at most, for each fault"
    )
    return parser.parse_args()


def found_difference(parts: Mapping[str, Counts]) -> bool:
    """Print the table of what was done; whether anything was other than it should be."""
    for counts in parts.values():
        counts["difference: found"] += 0
    print_counts(parts)
    return any(counts["difference: found"] for counts in parts.values())
