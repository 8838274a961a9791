"""The same blocks under other hash seeds, and with signatures checked by other numbers of threads and processes."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from torture.re_execution import record
from torture.report import Counts, Difference
from torture.simulation import Simulation

TIMEOUT_SECONDS = 300


class Setting(NamedTuple):
    """One way to execute."""

    hash_seed: int
    arguments: tuple[str, ...]

    @property
    def name(self) -> str:
        """For people."""
        return f"hash seed {self.hash_seed}, {' '.join(self.arguments).replace('--', '') or 'one thread'}"


SETTINGS = (
    Setting(0, ()),
    Setting(1, ("--threads", "2")),
    Setting(2, ("--threads", "4")),
    Setting(3, ("--processes", "1")),
    Setting(4_000_000_000, ("--processes", "2")),
    Setting(12_345, ("--processes", "4")),
)


def check_determinism(
    name: str, counts: Counts, settings: Sequence[Setting] = SETTINGS, lives: int = 10, plant: str = ""
) -> int:
    """Record a simulated run and execute its blocks under every setting; how many blocks. Raises ``Difference``."""
    simulation = Simulation(name, Counts(), lives)
    simulation.run()
    blocks = simulation.checker.memory.blocks
    expected = [block.app_hash.hex() for block in blocks]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as runners:
        file = Path(folder) / "blocks"
        file.write_bytes(record(simulation.world.genesis, blocks))
        for setting, hashes in zip(
            settings, runners.map(lambda each: _hashes(file, each, plant), settings), strict=True
        ):
            counts["work: blocks"] += len(blocks) - 1
            counts["work: transactions compared"] += sum(len(block.leaves) for block in blocks)
            if hashes != expected:
                differing = [
                    height
                    for height, pair in enumerate(zip(hashes, expected, strict=False))
                    if pair[0] != pair[1]
                ]
                where = (
                    f"from block {differing[0]}" if differing else f"{len(hashes)} of {len(expected)} blocks"
                )
                raise Difference("determinism", f"{setting.name}: other roots {where}")
            counts[f"disturbance: executed again, {setting.name}"] += 1
    return len(blocks) - 1


def _hashes(file: Path, setting: Setting, plant: str) -> list[str]:
    arguments = (*setting.arguments, *(("--plant", plant) if plant else ()))
    process = subprocess.run(
        (sys.executable, "-m", "torture.re_execution", str(file), *arguments),
        env=child_environment(str(setting.hash_seed)), capture_output=True, text=True, timeout=TIMEOUT_SECONDS,
        check=False,
    )  # fmt: skip
    if process.returncode:
        raise Difference(
            "determinism", f"{setting.name}: ended with {process.returncode}: {process.stderr[-2_000:]}"
        )
    return process.stdout.split()


def child_environment(hash_seed: str = "random") -> dict[str, str]:
    """This process's environment, with its import path and the given hash seed."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": hash_seed}
