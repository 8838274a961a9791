"""``make bench-node``: figures of a whole node: REST with access tokens, projections, statements, restores, starts.

Load clients sign everything before the clock runs and speak HTTP with the least work. They share the machine's cores
with the node all the same, which the in-process figure of the same run does not have to.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine

from bench.machine import percentile
from bench.market import fill
from bench.node_load import (
    batches_per_second,
    lag_seconds,
    reads_at_half_load,
    singles_per_second,
    statement_page_ms,
    transfers,
)
from bench.node_process import PROJECTIONS_FILE, Node
from bench.node_restore import make_ledger, restore_seconds
from traco.projections.statement import read_statement

SMALL, LARGE = 10_000, 1_000_000
MOVEMENTS: Final = 100_000  # of the account whose statement is asked for
SINGLES: Final = 6_000
HOT: Final = 0  # the account that everybody pays
console = Console(highlight=False)


def main() -> None:
    """Run everything and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.node", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/bench-node.json"))
    parser.add_argument("--holdings", type=int, default=LARGE, help="holdings for the cold start")
    parser.add_argument("--transactions", type=int, default=1_000_000, help="transactions to restore")
    parser.add_argument("--count", type=int, default=40_000, help="transfers of one measured run")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    figures = _measure(arguments)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")
    _print(figures)
    console.print(f"written to {arguments.output}")


def _measure(arguments: argparse.Namespace) -> dict[str, float]:
    base = arguments.output.parent / "bench"
    small, large = base / f"market-{SMALL}", base / f"market-{arguments.holdings}"
    for directory, holdings in ((small, SMALL), (large, arguments.holdings)):
        with console.status(f"making a ledger with {holdings:,} holdings"):
            fill(directory, holdings, lambda _, __: None)
    figures = {"in_process_per_second": _in_process(small, arguments)}
    with console.status("measuring REST"):
        figures |= asyncio.run(_rest(small, arguments))
    with console.status("measuring with and without projections"):
        figures |= asyncio.run(_projections(small, arguments))
    with console.status("measuring statements"):
        figures |= asyncio.run(_statements(small))
    with console.status("measuring the cold start"):
        figures |= asyncio.run(_start(large, arguments.repeats))
    return figures | _restores(base / f"transactions-{arguments.transactions}", arguments.transactions)


def _in_process(directory: Path, arguments: argparse.Namespace) -> float:
    """The rate of `make bench`, in a process of its own."""
    command = [
        sys.executable, "-m", "bench", "--part", "market", "--directory", str(directory), "--repeats", str(arguments.repeats),
        "--count", str(arguments.count),
    ]  # fmt: skip
    with console.status("measuring in process"):
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603
    return float(msgspec.json.decode(done.stdout)["uniform"])


async def _rest(directory: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """Rates and reads with projections switched off."""
    async with Node(directory, projections=False) as node:
        await batches_per_second(node, transfers(node, arguments.count // 4))  # caches warm
        batch = [
            await batches_per_second(node, transfers(node, arguments.count)) for _ in range(arguments.repeats)
        ]
        single = [await singles_per_second(node, transfers(node, SINGLES)) for _ in range(arguments.repeats)]
        rate = statistics.median(batch)
        reads = await reads_at_half_load(node, transfers(node, arguments.count), rate)
    return {
        "rest_batch_per_second": rate, "rest_single_per_second": statistics.median(single),
        "read_p50_ms_half_load": percentile(reads, 50), "read_p99_ms_half_load": percentile(reads, 99),
        "reads_measured": len(reads),
    }  # fmt: skip


async def _projections(directory: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """The rate without and with projections, alternately, and how far they lag."""
    without, beside, lags = list[float](), list[float](), list[float]()
    for _ in range(arguments.repeats):
        async with Node(directory, projections=False) as node:
            without.append(await batches_per_second(node, transfers(node, arguments.count)))
        async with Node(directory, projections=True) as node:
            await _projected(node)
            ended = asyncio.Event()
            lag = asyncio.create_task(lag_seconds(node, ended))
            beside.append(await batches_per_second(node, transfers(node, arguments.count)))
            ended.set()
            lags.append(await lag)
    return {
        "projections_off_per_second": statistics.median(without), "projections_on_per_second": statistics.median(beside),
        "projections_lag_seconds": max(lags),
    }  # fmt: skip


async def _projected(node: Node) -> None:
    """Until projections have caught up with what was on the ledger."""
    await lag_seconds(node, _set())


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


async def _statements(directory: Path) -> dict[str, float]:
    """A statement of an account with many movements: a page by REST, and all of it as one query."""
    async with Node(directory, projections=True) as node:
        await batches_per_second(node, transfers(node, MOVEMENTS, receiver=HOT))
        await _projected(node)
        page = await statement_page_ms(node, HOT, 20)
        market = node.market
    engine = create_engine(f"sqlite:///{directory / PROJECTIONS_FILE}")
    taken, found = list[float](), 0
    with engine.connect() as connection:
        for _ in range(5):
            begun = time.perf_counter()
            statement = read_statement(connection, market.account(HOT), market.cash, limit=MOVEMENTS)
            taken.append((time.perf_counter() - begun) * 1e3)
            found = len(statement.lines)
    engine.dispose()
    if found < MOVEMENTS:
        raise RuntimeError(f"the statement has {found} movements of {MOVEMENTS}")
    return {
        "statement_page_ms": page,
        "statement_all_ms": percentile(taken, 50),
        "statement_movements": found,
    }


async def _start(directory: Path, repeats: int) -> dict[str, float]:
    """From the command until the node answers."""
    taken = []
    for _ in range(repeats):
        async with Node(directory, projections=False) as node:
            taken.append(node.start_seconds)
    return {"cold_start_seconds": statistics.median(taken)}


def _restores(directory: Path, transactions: int) -> dict[str, float]:
    with console.status("making a ledger to restore") as status:
        make_ledger(
            directory,
            transactions,
            lambda done: status.update(f"making a ledger to restore: {done:,} of {transactions:,}"),
        )
    with console.status("backing up, restoring, checking hashes and roots"):
        quick = restore_seconds(directory, "quick")
    with console.status("backing up, restoring, executing everything again"):
        full = restore_seconds(directory, "full")
    return {
        "backup_seconds": quick["backup"], "restore_quick_seconds": quick["restore"], "restore_full_seconds": full["restore"],
        "restored_transactions": full["transactions"],
    }  # fmt: skip


def _print(figures: dict[str, Any]) -> None:
    rows = [
        ("REST, 32 clients, batches, over in-process", figures["rest_batch_per_second"] / figures["in_process_per_second"], "0.5"),
        ("REST, 32 clients, one transfer per request, per second", figures["rest_single_per_second"], "1,000"),
        ("read of a holding at half load, p99, ms", figures["read_p99_ms_half_load"], "20 at most"),
        ("rate with projections over without", figures["projections_on_per_second"] / figures["projections_off_per_second"], "0.8"),
        ("lag of projections, s", figures["projections_lag_seconds"], "5 at most"),
        ("statement of 100,000 movements, one query, ms", figures["statement_all_ms"], "300 at most"),
        ("statement, first page of 1,000 by REST, ms", figures["statement_page_ms"], ""),
        ("restore and verify in full, s", figures["restore_full_seconds"], "300 at most"),
        ("restore and check hashes and roots, s", figures["restore_quick_seconds"], ""),
        ("cold start, s", figures["cold_start_seconds"], "5 at most"),
    ]  # fmt: skip
    table = Table(title="Node benchmarks (ratios against the same run's baselines)", title_justify="left")
    for column in ("figure", "measured", "to reach"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for name, value, wanted in rows:
        table.add_row(name, f"{value:,.2f}", wanted)
    console.print(table)


if __name__ == "__main__":
    main()
