"""How long a node takes to join a network of many holdings by a snapshot.

    one validator, filled through its gateway -> started again, to take one snapshot -> an observer joins by it

One validator, because what is measured is the joiner's work: finding the snapshot, verifying and restoring it, opening the
ledger, and following. More validators would only fill the market more slowly.
"""

import asyncio
import shutil
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bench.cluster_market import fill, market_of, submit, transfers, valid_until
from bench.cluster_nodes import ClusterNodes
from bench.market import Market
from traco.node.directory import LEDGER_FILE, SNAPSHOTS_FOLDER
from traco.storage import SnapshotReader
from traco.storage.copying.shelf import Shelf

JOIN_SECONDS: Final = 600.0
SNAPSHOT_SECONDS: Final = 600.0
BLOCKS_BEFORE: Final = 4  # from the validator's second start to its snapshot
BLOCKS_BEHIND: Final = 4  # a snapshot can be restored once there are some
LOOK_S: Final = 0.1


async def state_sync_seconds(directory: Path, holdings: int) -> dict[str, float]:
    """Seconds that filling took, that the snapshot took, and from the observer's start until it stands with the validator."""
    with ExitStack() as keys:
        nodes = ClusterNodes(directory, 1, 1, projections=False)
        validator, joiner = nodes.validators[0], nodes.observers[0]
        nodes.configure_engine(validator, snapshot_interval_blocks=0)  # none while it is filled
        market = market_of(nodes, holdings // 2, keys)
        begun = time.perf_counter()
        async with nodes:
            await fill(nodes, market, keys)
            height = await nodes.height(validator)
        filled = time.perf_counter() - begun
        nodes.configure_engine(validator, snapshot_interval_blocks=height + BLOCKS_BEFORE)
        nodes.configure_engine(joiner, state_sync=True)
        async with nodes:
            taken = await _snapshot_seconds(nodes, market, height + BLOCKS_BEFORE)
            joined = await _joined_seconds(nodes, joiner)
    shutil.rmtree(directory)  # gigabytes, of use only where something failed
    return {"filled": filled, "taken": taken, "joined": joined}


async def _snapshot_seconds(nodes: ClusterNodes, market: Market, height: int) -> float:
    """Have blocks made until there is a snapshot of ``height``, and headers behind it; how long the snapshot took."""
    validator = nodes.validators[0]
    connection = await nodes.connection(validator)
    while await nodes.height(validator) < height + BLOCKS_BEHIND:
        await submit(connection, transfers(market, 1, await valid_until(nodes), 1))
    await connection.close()
    begun = time.perf_counter()
    shelf = Shelf(nodes.directory / validator / SNAPSHOTS_FOLDER)
    while height not in shelf.heights():
        if time.perf_counter() - begun > SNAPSHOT_SECONDS:
            raise RuntimeError(f"{validator} took no snapshot of block {height}")
        await asyncio.sleep(LOOK_S)
    return time.perf_counter() - begun


async def _joined_seconds(nodes: ClusterNodes, joiner: str) -> float:
    """From the joiner's start until it has every block of the validator."""
    begun = time.perf_counter()
    nodes.start(joiner)
    while time.perf_counter() - begun < JOIN_SECONDS:
        await asyncio.sleep(LOOK_S)
        try:
            height = await nodes.height(joiner)
        except OSError:
            continue  # not listening yet
        if 0 < height >= await nodes.height(nodes.validators[0]):
            taken = time.perf_counter() - begun
            _require_restored(nodes.directory / joiner)
            return taken
    raise RuntimeError(f"{joiner} did not join in {JOIN_SECONDS:.0f} s; see node.log in its directory")


def _require_restored(directory: Path) -> None:
    """A node that took every block instead of a snapshot was measured at something else."""
    snapshot = SnapshotReader(directory / LEDGER_FILE).snapshot()
    if snapshot is None:
        raise RuntimeError(f"{directory} has no ledger")
    with snapshot:
        if snapshot.first_height == 0:
            raise RuntimeError(f"{directory.name} began with the first block instead of a snapshot")
