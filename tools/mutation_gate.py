"""Fails when too many mutants of a critical file survive the tests. Reads what `mutmut run` left under `mutants/`."""

import json
import sys
from pathlib import Path

REQUIRED = 85  # per cent of mutants killed, in each file
SURVIVED, NO_TESTS, NOT_RUN = 0, 33, None
PYTEST_NO_TESTS = 5  # pytest's exit code when it collected nothing: nobody looked, so nobody killed


def main(folder: str) -> int:
    """Print one line per file and the names of the survivors; 1 when a file misses the requirement."""
    failed = False
    reports = sorted(Path(folder).rglob("*.py.meta"))
    for path in reports:
        outcomes: dict[str, int | None] = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        if not outcomes:
            continue
        alive = sorted(
            name for name, code in outcomes.items() if code in (SURVIVED, NO_TESTS, NOT_RUN, PYTEST_NO_TESTS)
        )
        killed = len(outcomes) - len(alive)
        enough = killed * 100 >= REQUIRED * len(outcomes)
        failed = failed or not enough
        verdict = "" if enough else f"   below {REQUIRED} %"
        file = path.relative_to(folder).with_suffix("").as_posix()
        print(f"{killed * 100 // len(outcomes):3} %  {killed:4} of {len(outcomes):4} killed  {file}{verdict}")
        for name in alive:
            print(f"       alive: {name}")
    if not reports:
        print("no mutants were made")
    return int(failed or not reports)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
