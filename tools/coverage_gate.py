"""Fails when a layer that holds money is not covered by the tests: statements and branches, each layer by itself."""

import json
import sys
from pathlib import Path
from typing import Any

LAYERS = ("kernel", "modules", "storage")
REQUIRED = 95  # per cent, of statements and of branches


def measure(report: dict[str, Any], layer: str) -> tuple[int, int, int, int]:
    """(statements covered, statements, branches covered, branches) of a layer, from `coverage json`."""
    totals = [0, 0, 0, 0]
    for path, entry in report["files"].items():
        if f"/traco/{layer}/" in Path(path).as_posix():
            summary = entry["summary"]
            for index, key in enumerate(
                ("covered_lines", "num_statements", "covered_branches", "num_branches")
            ):
                totals[index] += summary[key]
    covered, statements, branches_covered, branches = totals
    return covered, statements, branches_covered, branches


def main(path: str) -> int:
    """Print one line per layer; 1 when one misses the requirement or has no code."""
    report = json.loads(Path(path).read_text(encoding="utf-8"))
    failed = False
    for layer in LAYERS:
        covered, statements, branches_covered, branches = measure(report, layer)
        enough = (
            statements > 0
            and covered * 100 >= REQUIRED * statements
            and branches_covered * 100 >= REQUIRED * branches
        )
        failed = failed or not enough
        verdict = "" if enough else f"   below {REQUIRED} %"
        print(
            f"coverage of {layer:8} statements {percent(covered, statements)}"
            f"   branches {percent(branches_covered, branches)}{verdict}"
        )
    return int(failed)


def percent(part: int, whole: int) -> str:
    """Per cent with one decimal, rounded down, so that 94.96 never reads as 95.0."""
    tenths = part * 1000 // whole if whole else 0
    return f"{tenths // 10:3}.{tenths % 10} %"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
