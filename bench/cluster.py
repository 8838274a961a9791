"""``make bench-cluster``: what a network of four validators on this machine does, beside what bounds it, in one run.

    V   raw ed25519 checks per second, one thread
    c   processor seconds per transfer of the embedded ledger (in process: ledger and verifier)
    e   processor seconds per transfer of four validators with the engine's own key-value store, payloads of our size

The bound is cores / (4 c + e): what this machine could do if four ledgers and four engines shared it without any loss.
"""

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from bench import cluster_kvstore
from bench.cluster_joining import state_sync_seconds
from bench.cluster_market import fill, market_of, submit, submit_body, transfers, valid_until
from bench.cluster_nodes import ClusterNodes, processor_seconds
from bench.connections import Connection
from bench.load import Bench
from bench.machine import percentile, verify_per_second
from bench.market import Market
from bench.market import fill as fill_embedded
from bench.node_load import batches_per_second
from bench.node_load import transfers as paying
from bench.node_process import Node

HOLDINGS: Final = 10_000
MANY_HOLDINGS: Final = 1_000_000  # of the network that a node joins by a snapshot
CHUNK: Final = 512
CONNECTIONS: Final = 32  # over all gateways, as many as the embedded node is measured with
VALIDATORS: Final = 4
PACED_CHUNK: Final = 64  # transfers of one request at half load
IDLE_SECONDS: Final = 20.0
LOOK_S: Final = 0.05
TRANSFER_OVERHEAD: Final = 5  # bytes of a transfer's length in an envelope
console = Console(highlight=False)


async def loaded(nodes: ClusterNodes, made: Sequence[bytes]) -> tuple[float, float]:
    """Submit everything through all validators' gateways: (transfers per second until all are final, processor seconds each)."""
    bodies = iter(
        [
            (msgspec.msgpack.encode(made[at : at + CHUNK]), len(made[at : at + CHUNK]))
            for at in range(0, len(made), CHUNK)
        ]
    )
    connections = [
        await nodes.connection(name)
        for _ in range(CONNECTIONS // len(nodes.validators))
        for name in nodes.validators
    ]

    async def work(connection: Connection) -> None:
        for body, count in bodies:
            await submit_body(connection, body, count)

    used, begun = nodes.processor_seconds(), time.perf_counter()
    await asyncio.gather(*map(work, connections))
    taken, used = time.perf_counter() - begun, nodes.processor_seconds() - used
    for connection in connections:
        await connection.close()
    return len(made) / taken, used / len(made)


async def paced_ms(nodes: ClusterNodes, made: Sequence[bytes], per_second: float) -> list[float]:
    """How long requests of a few transfers take at ``per_second``, from the request until all are final, in ms."""
    idle: asyncio.Queue[Connection] = asyncio.Queue()
    connections = [
        await nodes.connection(name)
        for _ in range(CONNECTIONS // len(nodes.validators))
        for name in nodes.validators
    ]
    for connection in connections:
        idle.put_nowait(connection)
    taken, tasks, begun = list[float](), list[asyncio.Task[None]](), time.perf_counter()

    async def one(connection: Connection, chunk: Sequence[bytes]) -> None:
        started = time.perf_counter()
        await submit(connection, chunk)
        taken.append((time.perf_counter() - started) * 1e3)
        idle.put_nowait(connection)

    for number, at in enumerate(range(0, len(made), PACED_CHUNK)):
        await asyncio.sleep(max(0.0, begun + number * PACED_CHUNK / per_second - time.perf_counter()))
        tasks.append(asyncio.create_task(one(await idle.get(), made[at : at + PACED_CHUNK])))
    await asyncio.gather(*tasks)
    for connection in connections:
        await connection.close()
    return taken


async def idle_ms(nodes: ClusterNodes, market: Market, times: int) -> list[float]:
    """How long one transfer takes on an idle network, from the request until the answer that it is final, in ms."""
    connection = await nodes.connection(nodes.validators[-1])
    until, taken = await valid_until(nodes), []
    for raw in transfers(market, times, until, 7):
        begun = time.perf_counter()
        await submit(connection, [raw])
        taken.append((time.perf_counter() - begun) * 1e3)
        await asyncio.sleep(LOOK_S)
    await connection.close()
    return taken


async def caught_up_per_second(nodes: ClusterNodes, transactions: int) -> float:
    """Transfers per second that an observer takes in, from its first block until it stands where the others do."""
    observer, target = nodes.observers[0], await nodes.height(nodes.validators[0])
    nodes.start(observer)
    first = 0.0
    while True:
        try:
            height = await nodes.height(observer)
        except OSError:
            height = 0  # not listening yet
        now = time.perf_counter()
        if height > 0 and not first:
            first = now
        if height >= target:
            return transactions / (now - first)
        await asyncio.sleep(LOOK_S)


async def of_network(
    directory: Path, validators: int, observers: int, count: int, repeats: int
) -> dict[str, float]:
    """The figures of a network of so many validators."""
    found: dict[str, list[float]] = {"uniform": [], "hot": [], "processor": []}
    with ExitStack() as keys:
        # the embedded node that one validator is held against has none
        nodes = ClusterNodes(directory, validators, observers, projections=validators > 1)
        async with nodes:
            market = market_of(nodes, HOLDINGS // 2, keys)
            await fill(nodes, market, keys)
            for repeat in range(repeats):
                made = transfers(market, count, await valid_until(nodes), repeat)
                rate, processor = await loaded(nodes, made)
                found["uniform"].append(rate)
                found["processor"].append(processor)
                made = transfers(market, count, await valid_until(nodes), repeat, hot=True)
                found["hot"].append((await loaded(nodes, made))[0])
            figures = {name: statistics.median(values) for name, values in found.items()}
            made = transfers(market, count // 2, await valid_until(nodes), repeats)
            half = await paced_ms(nodes, made, figures["uniform"] / 2)
            await asyncio.sleep(IDLE_SECONDS / 4)
            idle = await idle_ms(nodes, market, 200)
            used = nodes.processor_seconds()
            await asyncio.sleep(IDLE_SECONDS)
            figures |= {
                "idle_share_of_core": (nodes.processor_seconds() - used) / IDLE_SECONDS / validators,
                "idle_p50_ms": percentile(idle, 50), "idle_p99_ms": percentile(idle, 99),
                "half_load_p50_ms": percentile(half, 50), "half_load_p99_ms": percentile(half, 99),
                "transfer_bytes": len(made[0]),
            }  # fmt: skip
            if observers:
                figures["catching_up"] = await caught_up_per_second(nodes, 2 * repeats * count + count // 2)
    return figures


async def of_embedded(directory: Path, count: int) -> dict[str, float]:
    """The embedded ledger: rate and processor seconds in process, and its rate over REST."""
    fill_embedded(directory, HOLDINGS, lambda done, total: None)
    bench = Bench(directory, 1, 1)
    blocks = await bench.node.start()
    try:
        await bench.run(bench.transfers(4 * CHUNK))
        made = bench.transfers(count)
        used = processor_seconds(os.getpid())
        rate = (await bench.run(made)).per_second
        used = processor_seconds(os.getpid()) - used
    finally:
        blocks.cancel()
        await bench.node.finish()
        bench.node.stop()
    async with Node(directory, projections=False) as node:
        over_rest = await batches_per_second(node, paying(node, count))
    return {"embedded": rate, "embedded_rest": over_rest, "c_us": used / count * 1e6}


async def all_figures(base: Path, count: int, repeats: int, joined_holdings: int) -> dict[str, float]:
    """Everything, one after the other."""
    verify = verify_per_second()
    with console.status("the embedded ledger"):
        embedded = await of_embedded(base / "embedded", count)
    with console.status("one validator"):
        one = await of_network(base / "one", 1, 0, count, 1)
    with console.status("four validators and an observer"):
        four = await of_network(base / "four", VALIDATORS, 1, count, repeats)
    with console.status(f"joining a network of {joined_holdings:,} holdings"):
        joined = await state_sync_seconds(base / "joined", joined_holdings)
    payload = int(CHUNK * (four["transfer_bytes"] + TRANSFER_OVERHEAD))
    with console.status("four validators with the engine's own store"):
        own = await cluster_kvstore.measure(
            base / "kvstore", VALIDATORS, payload, max(VALIDATORS * 8, count // CHUNK)
        )
    verify = statistics.median([verify, verify_per_second()])
    e_us = own.processor_seconds / CHUNK * 1e6
    cores = os.cpu_count() or 1
    bound = cores / ((VALIDATORS * embedded["c_us"] + e_us) * 1e-6)
    return {
        "verify": verify, "cores": cores, "c_us": embedded["c_us"], "e_us": e_us, "bound": bound,
        "transfers": four["uniform"], "transfers_of_bound": four["uniform"] / bound, "hot": four["hot"],
        "hot_of_uniform": four["hot"] / four["uniform"], "processor_us": four["processor"] * 1e6,
        "idle_p50_ms": four["idle_p50_ms"], "idle_p99_ms": four["idle_p99_ms"],
        "half_load_p50_ms": four["half_load_p50_ms"], "half_load_p99_ms": four["half_load_p99_ms"],
        "one_validator": one["uniform"], "one_validator_of_embedded": one["uniform"] / embedded["embedded_rest"],
        "embedded": embedded["embedded"], "embedded_rest": embedded["embedded_rest"],
        "catching_up": four["catching_up"], "catching_up_of_full_rate": four["catching_up"] / four["uniform"],
        "idle_share_of_core": four["idle_share_of_core"],
        "state_sync_seconds": joined["joined"], "state_sync_holdings": joined_holdings,
        "snapshot_seconds": joined["taken"], "state_sync_fill_seconds": joined["filled"],
    }  # fmt: skip


WANTED: Final = (
    ("signed transfers per second, of the bound", "transfers_of_bound", "0.7"),
    ("signed transfers per second", "transfers", "2,000"),
    ("one hot account, of uniform", "hot_of_uniform", "0.95"),
    ("latency, idle: p50, ms", "idle_p50_ms", "40"),
    ("latency, idle: p99, ms", "idle_p99_ms", "100"),
    ("latency at half load: p50, ms", "half_load_p50_ms", "150"),
    ("latency at half load: p99, ms", "half_load_p99_ms", "500"),
    ("one validator, of the embedded engine (REST)", "one_validator_of_embedded", "0.7"),
    ("observer catching up, of the full rate", "catching_up_of_full_rate", "3"),
    ("state sync of 1,000,000 holdings, s", "state_sync_seconds", "120"),
    ("idle network, share of a core per node", "idle_share_of_core", "0.02"),
)


def main() -> None:
    """Run everything, print it, and write it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.cluster", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/bench-cluster.json"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--count", type=int, default=20_000, help="transfers of one run")
    parser.add_argument(
        "--joined-holdings",
        type=int,
        default=MANY_HOLDINGS,
        help="of the network that a node joins by a snapshot",
    )
    arguments = parser.parse_args()
    figures = asyncio.run(
        all_figures(
            arguments.output.parent / "bench-cluster",
            arguments.count,
            arguments.repeats,
            arguments.joined_holdings,
        )
    )
    arguments.output.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")
    table = Table("figure", "measured", "to reach")
    for title, name, wanted in WANTED:
        table.add_row(
            title, f"{figures[name]:,.3g}" if figures[name] < 100 else f"{figures[name]:,.0f}", wanted
        )
    console.print(table)
    console.print(
        f"V {figures['verify']:,.0f}, c {figures['c_us']:.0f} us, e {figures['e_us']:.0f} us, bound {figures['bound']:,.0f} "
        f"transfers per second on {figures['cores']:.0f} cores; written to {arguments.output}"
    )


if __name__ == "__main__":
    main()
