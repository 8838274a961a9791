"""What a torture found: counts of everything that was done, and the one difference that ends it."""

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence

Counts = Counter[str]
SECTIONS = ("disturbance", "work", "kind", "outcome", "difference")
PROGRESS_SECONDS = 5.0


class Difference(Exception):
    """The ledger is not what it ought to be. ``check`` names what found it."""

    def __init__(self, check: str, text: str) -> None:
        super().__init__(f"{check}: {text}")
        self.check, self.text = check, text


def say(text: str) -> None:
    """A line for whoever watches, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table with columns as wide as they must be, numbers on the right."""
    widths = [max(len(row[column]) for row in (headings, *rows)) for column in range(len(headings))]
    for row in (headings, ["-" * width for width in widths], *rows):
        cells = [
            cell.rjust(width) if cell.replace(",", "").isdigit() else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ]
        say("  ".join(cells).rstrip())


def print_counts(parts: Mapping[str, Counts]) -> None:
    """The counts of each part in a column; a name is 'section: what'."""
    names = {name for counts in parts.values() for name in counts}
    ordered = sorted(names, key=lambda name: (SECTIONS.index(name.split(":")[0]), name))
    rows = [(name, *(f"{counts[name]:,}" for counts in parts.values())) for name in ordered]
    print_table(("what", *parts), rows)


class Progress:
    """A line every few seconds while a part runs."""

    def __init__(self, part: str, quiet: bool = False) -> None:
        self._part, self._quiet = part, quiet
        self._next = time.monotonic() + PROGRESS_SECONDS

    def show(self, counts: Counts) -> None:
        """Print where things stand, if it is time."""
        if self._quiet or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + PROGRESS_SECONDS
        blocks, compared = counts["work: blocks"], counts["work: transactions compared"]
        disturbed = sum(count for name, count in counts.items() if name.startswith("disturbance"))
        say(
            f"  {self._part}: {blocks:,} blocks, {compared:,} transactions compared, {disturbed:,} disturbances"
        )
