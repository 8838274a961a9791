"""``make bench``: measures speed and size, prints a table, and writes the figures as JSON."""

import argparse
import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

from bench import load, rest
from bench.machine import fsync_ms
from bench.market import fill

SMALL, LARGE = 10_000, 1_000_000
COUNT: Final = 40_000
console = Console(highlight=False)


def main() -> None:
    """Run everything; each market is measured in a process of its own, so that memory is its own."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    parser.add_argument("--holdings", type=int, default=LARGE, help="holdings of the large market")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--count", type=int, default=COUNT, help="transactions of one run")
    parser.add_argument("--verifiers", type=int, default=1)
    parser.add_argument("--part", choices=("market", "rest"), help=argparse.SUPPRESS)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        sys.stdout.write(msgspec.json.encode(_part(arguments)).decode())
        return
    figures = _all(arguments)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")
    _print(figures)
    console.print(f"written to {arguments.output}")


def _part(arguments: argparse.Namespace) -> dict[str, float]:
    if arguments.part == "rest":
        return asyncio.run(rest.measure(arguments.directory, idle=300, seconds=10.0))
    bench = load.Bench(arguments.directory, 1, arguments.verifiers)
    try:
        return asyncio.run(load.measure(bench, arguments.count, arguments.repeats, with_settlements=True))
    finally:
        bench.node.stop()


def _all(arguments: argparse.Namespace) -> dict[str, Any]:
    base = arguments.output.parent / "bench"
    small, large = base / f"market-{SMALL}", base / f"market-{arguments.holdings}"
    for directory, holdings in ((small, SMALL), (large, arguments.holdings)):
        with console.status(f"making a ledger with {holdings:,} holdings") as status:
            fill(
                directory,
                holdings,
                lambda done, total: status.update(f"making holdings: {done:,} of {total:,} steps"),
            )
    fsync = fsync_ms(base)
    parts = {}
    for name, part, directory in (
        ("10k", "market", small),
        ("large", "market", large),
        ("rest", "rest", small),
    ):
        with console.status(f"measuring: {name}"):
            parts[name] = _run(arguments, part, directory)
    return _figures(parts["10k"], parts["large"], parts["rest"], fsync)


def _run(arguments: argparse.Namespace, part: str, directory: Path) -> dict[str, float]:
    command = [
        sys.executable, "-m", "bench", "--part", part, "--directory", str(directory), "--repeats",
        str(arguments.repeats), "--count", str(arguments.count), "--verifiers", str(arguments.verifiers),
    ]  # fmt: skip
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603
    figures: dict[str, float] = msgspec.json.decode(done.stdout)
    return figures


def _figures(
    small: dict[str, float], large: dict[str, float], over_rest: dict[str, float], fsync: dict[str, float]
) -> dict[str, Any]:
    return {
        "verify_per_second": large["verify"],
        "verify_per_second_10k_holdings": small["verify"],
        "transfers_per_second": large["uniform"],
        "transfers_hot_account_per_second": large["hot"],
        "dvp_per_second": large["dvp"],
        "transfers_per_second_10k_holdings": small["uniform"],
        "dvp_per_second_10k_holdings": small["dvp"],
        "rest_transfer_p50_ms": over_rest["rest_transfer_p50_ms"],
        "rest_transfer_p99_ms": over_rest["rest_transfer_p99_ms"],
        "rest_transfers_per_second": over_rest["rest_transfers_per_second"],
        "fsync_p50_ms": fsync["p50"],
        "fsync_p99_ms": fsync["p99"],
        "finality_worst_ms_half_load": large["half_load_worst_ms"],
        "finality_p99_ms_half_load": large["half_load_p99_ms"],
        "memory_mib": large["memory_mib"],
        "disk_bytes_per_transfer": large["disk_bytes_per_transfer"],
        "transaction_bytes": large["transaction_bytes"],
        "start_seconds": large["start_seconds"],
        "receipt_bytes": over_rest["receipt_bytes"],
        "receipt_verify_ms": over_rest["receipt_verify_ms"],
    }


def _print(figures: dict[str, Any]) -> None:
    v, v10 = figures["verify_per_second"], figures["verify_per_second_10k_holdings"]
    rate, slow = figures["transfers_per_second"], 3 * figures["fsync_p50_ms"]
    rows = [
        ("transfers/s, 1 M holdings, over V", rate / v, "0.75"),
        ("hot account over uniform", figures["transfers_hot_account_per_second"] / rate, "0.95"),
        ("transfers/s, 10 k holdings, over V", figures["transfers_per_second_10k_holdings"] / v10, "0.95"),
        ("rate at 1 M over rate at 10 k", rate / figures["transfers_per_second_10k_holdings"], "0.65"),
        ("DvP/s over transfers/s / 2 signatures", figures["dvp_per_second"] / (rate / 2), "0.5"),
        ("REST, idle, p50 above three fsyncs, ms", figures["rest_transfer_p50_ms"] - slow, "15 at most"),
        (
            "REST, idle, p99 above three fsyncs, ms",
            figures["rest_transfer_p99_ms"] - 3 * figures["fsync_p99_ms"],
            "60 at most",
        ),
        ("worst finality at half load, ms", figures["finality_worst_ms_half_load"], "300 at most"),
        ("p99 of finality at half load, ms", figures["finality_p99_ms_half_load"], "250 at most"),
        ("memory of the ledger process, MiB", figures["memory_mib"], "1,536 at most"),
        (
            "disk beyond the transaction, bytes",
            figures["disk_bytes_per_transfer"] - figures["transaction_bytes"],
            "300 at most",
        ),
        ("start, s", figures["start_seconds"], "5 at most"),
        ("receipt, bytes", figures["receipt_bytes"], "8,192 at most"),
        ("receipt, time to verify, ms", figures["receipt_verify_ms"], "5 at most"),
    ]
    table = Table(title="Ledger benchmarks (ratios against the same run's baselines)", title_justify="left")
    for column in ("figure", "measured", "to reach"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for name, value, wanted in rows:
        table.add_row(name, f"{value:,.2f}", wanted)
    console.print(table)
    names = (
        "verify_per_second",
        "transfers_per_second",
        "transfers_per_second_10k_holdings",
        "dvp_per_second",
    )
    console.print(", ".join(f"{name} {figures[name]:,.0f}" for name in (*names, "rest_transfers_per_second")))


if __name__ == "__main__":
    main()
