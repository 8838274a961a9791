"""Runs of the fuzzers: each in a process of its own, bounded in time and memory, on the kept samples and what it found before."""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

TESTS: Final = Path(__file__).parents[1]
CORPUS: Final = Path(__file__).parent / "corpus"
SUFFIX: Final = ".sample"
LARGEST_SAMPLE: Final = 16_384
SLOW_SECONDS: Final = 20  # for one sample; a loaded machine is not a fault of the code
PLANT_SLOW_SECONDS: Final = (
    600  # whose alarm must not ring while a found fault is written down, however slowly
)
MEMORY_MB: Final = 1_024
PATIENCE_SECONDS: Final = 120.0
_EXECUTED: Final = re.compile(r"stat::number_of_executed_units:\s+(\d+)")


class Run(NamedTuple):
    """What came of one run. ``crasher`` is the sample that broke the property; ``said`` is what the process printed."""

    target: str
    executed: int
    crasher: Path | None
    code: int
    said: str

    @property
    def text(self) -> str:
        """One line for people, or how to go on from a failure."""
        if not self.code:
            return f"{self.target:14} {self.executed:>10,} samples"
        kept = (
            f"Repair the cause, then keep it: cp {self.crasher} tests/fuzz/corpus/{self.target}/NAME{SUFFIX}"
        )
        return f"{self.said[-6_000:]}\n{self.target} FAILED. {kept if self.crasher else ''}"


def samples(target: str) -> list[Path]:
    """The kept samples of a target."""
    return sorted((CORPUS / target).glob(f"*{SUFFIX}"))


def fuzz(
    target: str, seconds: float, seed: int, crashes: Path, found: Path | None = None, *, plant: bool = False,
    runs: int = -1,
) -> Run:  # fmt: skip
    """Fuzz a target. What breaks it goes to ``crashes``; what reached something new to ``found``, where it is kept."""
    crashes.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="traco-fuzz-") as made:
        folder, new = Path(made) / "folder", Path(made) / "new"
        folder.mkdir()
        new.mkdir()
        options = [
            f"-max_total_time={max(1, round(seconds))}", f"-seed={seed}", f"-runs={runs}", f"-max_len={LARGEST_SAMPLE}",
            f"-timeout={PLANT_SLOW_SECONDS if plant else SLOW_SECONDS}", f"-rss_limit_mb={MEMORY_MB}", f"-artifact_prefix={crashes}/{target}-",
            "-print_final_stats=1", "-verbosity=0",
        ]  # fmt: skip
        command = [
            sys.executable,
            "-m",
            "fuzz.single",
            target,
            str(folder),
            *(["--plant"] if plant else []),
            *options,
        ]
        return _run(target, [*command, str(found or new), str(CORPUS / target)], seconds, crashes)


def _run(target: str, command: Sequence[str], seconds: float, crashes: Path) -> Run:
    before = set(crashes.iterdir())
    path = os.pathsep.join((str(TESTS), str(TESTS.parent / "src")))
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, timeout=seconds + PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    said = done.stdout.decode(errors="replace")
    new = sorted(path for path in set(crashes.iterdir()) - before if path.name.startswith(f"{target}-"))
    executed = _EXECUTED.search(said)
    return Run(target, int(executed[1]) if executed else 0, new[0] if new else None, done.returncode, said)
