"""``make bench-cluster``: what a network of four validators on this machine does, beside what bounds it, in one run."""

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console

from bench.cluster_market import fill, market_of, submit, submit_body, transfers, valid_until
from bench.cluster_nodes import ClusterNodes
from bench.machine import percentile, verify_per_second
from bench.market import Market

ACCOUNTS: Final = 5_000
CHUNK: Final = 512
CONNECTIONS: Final = 8  # for each gateway
console = Console(highlight=False)


async def loaded(nodes: ClusterNodes, made: Sequence[bytes]) -> tuple[float, float]:
    """Submit everything through all validators' gateways: (transfers per second until all are final, processor seconds each)."""
    bodies = [
        (msgspec.msgpack.encode(made[at : at + CHUNK]), len(made[at : at + CHUNK]))
        for at in range(0, len(made), CHUNK)
    ]
    waiting = iter(bodies)
    names = [node.name for node in nodes.network.nodes if node.role == "validator"]
    connections = [await nodes.connection(name) for _ in range(CONNECTIONS) for name in names]

    async def work(connection: Any) -> None:
        for body, count in waiting:
            await submit_body(connection, body, count)

    used, begun = nodes.processor_seconds(), time.perf_counter()
    await asyncio.gather(*map(work, connections))
    taken, used = time.perf_counter() - begun, nodes.processor_seconds() - used
    for connection in connections:
        await connection.close()
    return len(made) / taken, used / len(made)


async def idle_ms(nodes: ClusterNodes, market: Market, times: int) -> list[float]:
    """How long one transfer takes on an idle network, from the request until the answer that it is final, in ms."""
    connection = await nodes.connection(nodes.network.nodes[-1].name)
    until, taken = await valid_until(connection), []
    for raw in transfers(market, times, until, 7):
        begun = time.perf_counter()
        await submit(connection, [raw])
        taken.append((time.perf_counter() - begun) * 1e3)
        await asyncio.sleep(0.05)
    await connection.close()
    return taken


async def measure(directory: Path, validators: int, count: int, repeats: int) -> dict[str, Any]:
    """The figures of a network of so many validators."""
    figures: dict[str, list[float]] = {name: [] for name in ("verify", "uniform", "hot", "cpu")}
    with ExitStack() as keys:
        with console.status(f"founding and starting {validators} validators"):
            nodes = ClusterNodes(directory, validators)
            await nodes.__aenter__()
        try:
            market = market_of(nodes, ACCOUNTS, keys)
            with console.status("filling"):
                await fill(nodes, market, keys)
            connection = await nodes.connection(nodes.network.nodes[0].name)
            for repeat in range(repeats):
                figures["verify"].append(verify_per_second())
                for name in ("uniform", "hot"):
                    made = transfers(market, count, await valid_until(connection), repeat, hot=name == "hot")
                    with console.status(f"{name}, run {repeat + 1} of {repeats}"):
                        rate, cpu = await loaded(nodes, made)
                    figures[name].append(rate)
                    if name == "uniform":
                        figures["cpu"].append(cpu)
            await asyncio.sleep(5)
            latency = await idle_ms(nodes, market, 100)
            used = nodes.processor_seconds()
            await asyncio.sleep(10)
            idle_share = (nodes.processor_seconds() - used) / 10 / validators
        finally:
            nodes.stop()
    return {
        **{name: statistics.median(values) for name, values in figures.items()},
        "idle_p50_ms": percentile(latency, 50), "idle_p99_ms": percentile(latency, 99), "idle_share_of_core": idle_share,
        "cores": os.cpu_count(),
    }  # fmt: skip


def main() -> None:
    """Run everything, print it, and write it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.cluster", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/bench-cluster.json"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--count", type=int, default=20_000, help="transfers of one run")
    arguments = parser.parse_args()
    base = arguments.output.parent / "bench-cluster"
    figures = asyncio.run(measure(base / "four", 4, arguments.count, arguments.repeats))
    arguments.output.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")
    console.print(figures)


if __name__ == "__main__":
    main()
