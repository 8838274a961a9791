"""A node that lost everything of a channel: how fast it is there again, beside how fast it executes what it has."""

import asyncio
import shutil
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from bench.channel_market import AT_ONCE, Floor, confirmed, payments
from bench.channel_nodes import ChannelNodes, send
from bench.cluster_market import valid_until
from traco.kernel.errors import Halt
from traco.node.channels.stores import CHANNELS_FOLDER, replica_path
from traco.storage import SnapshotReader

LOOK_S: Final = 0.1
FINEST_S: Final = 0.02
LONGEST_S: Final = 1_200.0
AHEAD: Final = 40  # requests: in between, the channel is confirmed


async def filled(nodes: ChannelNodes, floor: Floor, count: int) -> int:
    """So many transfers in a channel, all confirmed; how many points it has then."""
    member = floor.members[0]
    for at in range(0, count, AHEAD * AT_ONCE):
        made = list(payments(floor, min(AHEAD * AT_ONCE, count - at), await valid_until(nodes)))
        connection = await nodes.connection(member.node)
        sent = [
            await send(connection, floor.channel, made[part : part + AT_ONCE])
            for part in range(0, len(made), AT_ONCE)
        ]
        await connection.close()
        await confirmed(nodes, floor, member, sent[-1][-1], LOOK_S)
    return _executed(nodes, floor, replica_path(nodes.directory / member.node, floor.channel))


async def replayed(nodes: ChannelNodes, floor: Floor) -> float:
    """Points per second that a node which has all payloads executes anew."""
    return await _again(nodes, floor, lose_all=False)


async def rebuilt(nodes: ChannelNodes, floor: Floor) -> float:
    """Points per second that a node which lost its disk fetches from other custodians and executes."""
    return await _again(nodes, floor, lose_all=True)


async def _again(nodes: ChannelNodes, floor: Floor, *, lose_all: bool) -> float:
    """Counted from a quarter of the points on: before that, the whole node is starting."""
    node = floor.members[1].node
    folder = nodes.directory / node
    path = replica_path(folder, floor.channel)
    wanted = _executed(nodes, floor, path)
    nodes.stop_one(node)
    if lose_all:
        shutil.rmtree(folder / CHANNELS_FOLDER)
    else:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    nodes.start(node)
    begun, first, end = 0.0, 0, time.monotonic() + LONGEST_S
    while (executed := _executed(nodes, floor, path)) < wanted:
        if executed >= wanted // 4 and not begun:
            begun, first = time.perf_counter(), executed
        if time.monotonic() > end:
            raise RuntimeError("the channel was not executed again")
        await asyncio.sleep(FINEST_S)
    rate = (wanted - first) / (time.perf_counter() - begun)
    await nodes.ready(node)
    return rate


def _executed(nodes: ChannelNodes, floor: Floor, path: Path) -> int:
    """Up to which point a node's replica goes."""
    if not path.exists():
        return 0
    reader = SnapshotReader(path, nodes.id, floor.channel)
    try:
        with reader.snapshot() or nullcontext() as snapshot:
            return 0 if snapshot is None else snapshot.height
    except Halt:
        return 0  # it is being made
    finally:
        reader.close()
