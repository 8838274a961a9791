"""What can be seen from outside of a node that did not do what it had to: its files, its disk, its limits, who has it open."""

import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

LIMITS: Final = {
    "size of a file": resource.RLIMIT_FSIZE,
    "open files": resource.RLIMIT_NOFILE,
    "address space": resource.RLIMIT_AS,
    "processes": resource.RLIMIT_NPROC,
}


def remains(directory: Path) -> str:
    """A line for each file, each process that has files of it open, the disk, and what this process hands on as limits."""
    lines = [f"what is in {directory}:", *(f"  {line}" for line in _files(directory))]
    with suppress(OSError):
        disk = shutil.disk_usage(directory)
        lines.append(f"its disk: {disk.free:,} of {disk.total:,} bytes free")
    lines.append("limits: " + ", ".join(f"{name} {_limit(kind)}" for name, kind in LIMITS.items()))
    lines += ["open files of it:", *(f"  {line}" for line in _open_files(directory))]
    return "\n".join(lines)


def _files(directory: Path) -> Iterator[str]:
    for folder, _, names in os.walk(directory):
        for path in sorted(Path(folder, name) for name in names):
            with suppress(OSError):
                found = path.lstat()
                yield f"{found.st_size:>13,} {found.st_mode & 0o777:03o} {path.relative_to(directory)}"


def _limit(kind: int) -> str:
    soft, _ = resource.getrlimit(kind)
    return "none" if soft == resource.RLIM_INFINITY else f"{soft:,}"


def _open_files(directory: Path) -> Iterator[str]:
    """By process. A file that was deleted since is named so."""
    inside = f"{directory}/"
    for entry in sorted(filter(str.isdigit, os.listdir("/proc")), key=int):
        names = sorted(link.removeprefix(inside) for link in _links(entry) if link.startswith(inside))
        if names:
            yield f"process {entry}{' (this one)' if int(entry) == os.getpid() else ''}: {', '.join(names)}"


def _links(entry: str) -> Iterator[str]:
    """What a process has open; nothing once it has ended."""
    with suppress(OSError):
        for number in os.listdir(f"/proc/{entry}/fd"):
            with suppress(OSError):
                yield os.readlink(f"/proc/{entry}/fd/{number}")
