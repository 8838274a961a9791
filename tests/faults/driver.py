"""Cuts the power at every operation of a workload and hands out what the disk may look like afterwards."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from faults.disk import CutMode, Disk
from faults.schedule import PowerCut
from faults.vfs import SimulatedVFS

Workload = Callable[[SimulatedVFS, list[int]], None]
"""Runs on a machine and appends to the list what it acknowledged, in order, when it is acknowledged."""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """A disk after a power cut at a change (counted from 1), and what had been acknowledged before it."""

    change: int
    mode: CutMode
    seed: int
    disk: Disk
    acknowledged: tuple[int, ...]


def count_changes(start: Disk, workload: Workload) -> int:
    """How many operations of the workload change the disk; `start` stays as it is."""
    with SimulatedVFS(start.copy()) as machine:
        workload(machine, [])
        return machine.faults.changes


def run_until_cut(machine: SimulatedVFS, workload: Workload, acknowledged: list[int]) -> None:
    """Runs a workload to its end or to the power cut; what else it raises is raised."""
    try:
        workload(machine, acknowledged)
    except (PowerCut, Exception):
        # apsw reports a failed commit of `with connection:` as its own error, with the PowerCut as context.
        if not machine.faults.power_is_off:
            raise


def power_cuts(
    start: Disk, workload: Workload, seeds: Sequence[int], modes: Sequence[CutMode] = tuple(CutMode)
) -> Iterator[Aftermath]:
    """For every change of the workload, and once after its end: the disks left in each mode for each seed.

    The workload must make the same changes in the same order each time. `start` stays as it is.
    """
    for change in range(1, count_changes(start, workload) + 2):
        acknowledged: list[int] = []
        disk = start.copy()
        with SimulatedVFS(disk) as machine:
            machine.faults.crash_at(change)
            run_until_cut(machine, workload, acknowledged)
        for mode in modes:
            for seed in seeds:
                # A string seed is hashed by its own algorithm, the same under every PYTHONHASHSEED.
                rng = random.Random(f"{seed} {change} {mode.value}")
                yield Aftermath(change, mode, seed, disk.power_cut(rng, mode), tuple(acknowledged))
