"""What a lint of this folder reports, and which files it reads."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "traco"
DETERMINISTIC = ("kernel", "modules")
BOUNDARY = "kernel/execution.py"  # the kernel's transaction boundary, the one place of `except Exception`


class Finding(NamedTuple):
    """One place that breaks a rule. `rule` is a short fixed word, `advice` says what to use instead."""

    path: str
    line: int
    rule: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.advice}"


def source_files(*layers: str) -> Iterator[tuple[str, str]]:
    """(path below src/traco, text) of every Python file, or of those in the given layers, in order."""
    for path in sorted(SOURCE.rglob("*.py")):
        relative = path.relative_to(SOURCE).as_posix()
        if not layers or relative.split("/")[0] in layers:
            yield relative, path.read_text(encoding="utf-8")


def report(findings: list[Finding]) -> str:
    """The findings as lines for people; empty when there are none."""
    return "\n".join(str(finding) for finding in findings)
