"""python -m torture_cluster --seconds 120 --seed 1     [--only kill_engine delay] [--selftest]     (make torture-cluster)"""

import argparse
import os
import sys
from pathlib import Path

from support.engine import ROOT
from torture.report import say
from torture_cluster.endurance import FAULTS, torture
from torture_cluster.selftest import run_selftest
from traco.engine.cometbft.errors import EngineMissing
from traco.engine.cometbft.install import DIRECTORY_VARIABLE, install_engine


def main() -> int:
    """0 if the cluster stood it, or every planted fault was found; else 1."""
    parser = argparse.ArgumentParser(
        prog="torture_cluster", description="Torture a real network of four nodes on this machine."
    )
    parser.add_argument("--seconds", type=float, default=120.0, help="how long, about")
    parser.add_argument(
        "--seed", type=int, default=1, help="the same seed gives the same faults in the same order"
    )
    parser.add_argument("--only", nargs="*", default=[], choices=sorted(FAULTS), help="only these faults")
    parser.add_argument("--selftest", action="store_true", help="plant known faults; every one must be found")
    options = parser.parse_args()
    directory = os.environ.setdefault(DIRECTORY_VARIABLE, str(ROOT / "build" / "engine"))
    try:
        install_engine(Path(directory), say)
    except EngineMissing as missing:
        say(f"No real network can run here: {missing}")
        return 1
    if options.selftest:
        say(f"Known faults are planted in a network, one at a time (seed {options.seed}):")
        return 0 if run_selftest(options.seed) else 1
    return torture(options.seconds, options.seed, options.only)


if __name__ == "__main__":
    sys.exit(main())
