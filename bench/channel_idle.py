"""What channels cost a node in which nothing happens: processor time, memory, files."""

import asyncio
import os
from pathlib import Path
from typing import Final, NamedTuple

from bench.channel_nodes import ChannelNodes

IDLE_SECONDS: Final = 20.0
SETTLE_SECONDS: Final = 5.0
NAME: Final = "traco-channels"


class Resting(NamedTuple):
    """The channels' process of a node at rest: share of a core, memory of its own in KiB, open files, files on the disk."""

    share: float
    memory_kib: int
    open_files: int
    files: int


async def resting(nodes: ChannelNodes, node: str, settle_seconds: float = SETTLE_SECONDS) -> Resting:
    """Look at a node for a while, when nothing has happened for ``settle_seconds``."""
    process = _channels_process(nodes.process(node))
    await asyncio.sleep(settle_seconds)
    used = _seconds(process)
    await asyncio.sleep(IDLE_SECONDS)
    share = (_seconds(process) - used) / IDLE_SECONDS
    files = sum(1 for _ in (nodes.directory / node / "channels").iterdir())
    return Resting(share, _own_kib(process), len(list(Path(f"/proc/{process}/fd").iterdir())), files)


def _channels_process(root: int) -> int:
    """The process of that name below another. Raises ``RuntimeError``."""
    waiting = [root]
    while waiting:
        process = waiting.pop()
        if Path(f"/proc/{process}/comm").read_text().strip() == NAME:
            return process
        for task in Path(f"/proc/{process}/task").iterdir():
            waiting += map(int, (task / "children").read_text().split())
    raise RuntimeError("the node has no channels' process")


def _seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def _own_kib(process: int) -> int:
    """Anonymous memory in use: what is not read from files that others share."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1])
    raise RuntimeError("the kernel does not tell the memory of a process")
