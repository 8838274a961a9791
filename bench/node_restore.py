"""A ledger of many transactions, its backup, and how long it takes until a restored copy is verified."""

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.load import Bench
from bench.market import fill
from bench.rest import prepare
from traco.node.backup import back_up
from traco.node.restore import Level, restore

HOLDINGS: Final = 10_000
STEP: Final = 50_000  # transactions that are signed ahead
DONE_FILE: Final = "transactions"


def make_ledger(directory: Path, transactions: int, progress: Callable[[int], None]) -> None:
    """Fill a market and run so many transfers on it, unless that was done before."""
    done = directory / DONE_FILE
    if done.exists() and done.read_text() == str(transactions):
        return
    shutil.rmtree(directory, ignore_errors=True)
    fill(directory, HOLDINGS, lambda _, __: None)
    bench = Bench(directory, 1, 1)
    try:
        asyncio.run(_run(bench, transactions, progress))
    finally:
        bench.node.stop()
    done.write_text(str(transactions))


async def _run(bench: Bench, transactions: int, progress: Callable[[int], None]) -> None:
    blocks = await bench.node.start()
    ordered = 0
    while ordered < transactions:
        count = min(STEP, transactions - ordered)
        await bench.run(bench.transfers(count))
        ordered += count
        progress(ordered)
    blocks.cancel()
    await asyncio.gather(blocks, return_exceptions=True)
    await bench.node.finish()


def restore_seconds(directory: Path, level: Level) -> dict[str, float]:
    """Back up, restore and verify: seconds of both, and how many transactions were executed again."""
    prepare(directory)
    backup, target = directory.parent / "backup", directory.parent / "restored"
    for path in (backup, target):
        shutil.rmtree(path, ignore_errors=True)
    begun = time.perf_counter()
    back_up(directory, backup)
    backed_up = time.perf_counter()
    done = restore(backup, target, level)
    restored = time.perf_counter()
    for path in (backup, target):
        shutil.rmtree(path)
    return {"backup": backed_up - begun, "restore": restored - backed_up, "transactions": done.transactions}
