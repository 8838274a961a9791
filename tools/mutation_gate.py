"""Fails when too many mutants of a critical file survive the tests. Reads what `mutmut run` left under `mutants/`."""

import json
import sys
from fnmatch import fnmatch
from pathlib import Path

REQUIRED = 85  # per cent of mutants killed, in each file
FAILED_TESTS = frozenset({1, 3})  # pytest's codes for failed tests and for an error of its own
TIMED_OUT = frozenset({-24, 24, 36, 152, 255})  # mutmut's codes for a mutant that ran into the time limit
KILLED = FAILED_TESTS | TIMED_OUT


def main(folder: str, pattern: str) -> int:
    """Print one line per file and the names of those alive; 1 when a file misses the requirement.

    `pattern` limits the judgement to some mutants, as it does in `mutmut run`.
    """
    failed = judged = False
    reports = sorted(Path(folder).rglob("*.py.meta"))
    for path in reports:
        every: dict[str, int | None] = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        outcomes = {name: code for name, code in every.items() if fnmatch(name, pattern)}
        if not outcomes:
            continue
        judged = True
        alive = sorted(name for name, code in outcomes.items() if code not in KILLED)
        killed = len(outcomes) - len(alive)
        enough = killed * 100 >= REQUIRED * len(outcomes)
        failed = failed or not enough
        verdict = "" if enough else f"   below {REQUIRED} %"
        file = path.relative_to(folder).with_suffix("").as_posix()
        print(f"{killed * 100 // len(outcomes):3} %  {killed:4} of {len(outcomes):4} killed  {file}{verdict}")
        for name in alive:
            print(f"       alive: {name}")
    if not judged:
        print("no mutants were made")
    return int(failed or not judged)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
