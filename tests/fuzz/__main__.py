"""python -m fuzz --seconds 120 --seed 1 [TARGET ...]        (make fuzz)"""

import argparse
import sys
from pathlib import Path
from typing import Final

from fuzz.campaign import fuzz
from fuzz.targets import TARGETS

KEPT: Final = Path("build/fuzz")


def main() -> int:
    """0 if every property held; else 1."""
    parser = argparse.ArgumentParser(
        prog="fuzz", description="Fuzz everything that reads bytes from outside."
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"all, or of: {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long in all, about")
    parser.add_argument("--seed", type=int, default=1, help="the same seed tries the same samples first")
    options = parser.parse_args()
    chosen = options.targets or list(TARGETS)
    for name in chosen:
        if name not in TARGETS:
            parser.error(f"there is no target {name}")
    failed = 0
    for name in chosen:
        found = KEPT / "found" / name
        found.mkdir(parents=True, exist_ok=True)
        run = fuzz(name, options.seconds / len(chosen), options.seed, KEPT / "crashes", found)
        sys.stdout.write(f"{run.text}\n")
        sys.stdout.flush()
        failed += bool(run.code)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
