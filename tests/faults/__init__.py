"""Simulated disks for SQLite: power cuts, lost syncs, full disks and I/O errors, all repeatable from a seed.

`disk` models what a disk keeps, `schedule` says which operation fails, `vfs` puts both under SQLite,
`driver` cuts the power at every operation of a workload. Not for measuring speed.
"""

from faults.disk import CutMode, Disk, DiskFile
from faults.driver import Aftermath, Workload, count_changes, power_cuts, run_until_cut
from faults.schedule import Faults, Operation, PowerCut
from faults.vfs import SimulatedVFS

__all__ = [
    "Aftermath",
    "CutMode",
    "Disk",
    "DiskFile",
    "Faults",
    "Operation",
    "PowerCut",
    "SimulatedVFS",
    "Workload",
    "count_changes",
    "power_cuts",
    "run_until_cut",
]
