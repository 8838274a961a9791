"""Signed loads through the gateway, in process: transfers and DvP, until every transaction is final."""

import asyncio
import os
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from bench.machine import memory_mib, percentile, verify_per_second
from bench.market import Market, describe, opened, signed
from bench.settlements import Place, Side, delivery
from traco.kernel.codec import ROOT
from traco.modules.holding.messages import Transfer
from traco.node.clock import wall_clock_ms
from traco.node.directory import LEDGER_FILE
from traco.node.gateway import Gateway, Status
from traco.node.ledger import LedgerNode

CHUNK: Final = 512
VALID_MS: Final = 240_000


class Load(NamedTuple):
    """One measured run."""

    per_second: float
    finality_ms: list[float]  # per chunk, from submission until all of it is final
    blocks: int


class Bench:
    """A market opened for loads. Random choices come from one seed."""

    def __init__(self, directory: Path, seed: int, verifiers: int) -> None:
        genesis, accounts = opened(directory)
        self.directory = directory
        started = time.perf_counter()
        market = describe(genesis, b"", accounts)
        self.node = LedgerNode(
            directory, genesis, market.member, market.node_signer, market.seal_signer, _alarm, verifiers
        )
        self.start_seconds = time.perf_counter() - started
        self.market: Market = market._replace(network=self.node.application.network)
        self._random = random.Random(seed)

    def transfers(self, count: int, hot: bool = False) -> list[bytes]:
        """Signed transfers between random accounts, or all into account 0."""
        market, choose = self.market, self._random.randrange
        until = wall_clock_ms() + VALID_MS
        made = []
        for _ in range(count):
            sender = choose(1, market.accounts)
            receiver = 0 if hot else choose(market.accounts)
            owner = sender % len(market.owners)
            if receiver == sender:
                receiver = (sender + 1) % market.accounts
            transfer = Transfer(
                market.owners[owner],
                market.cash,
                market.account(sender),
                market.account(receiver),
                1 + choose(1_000),
                b"",
            )
            made.append(signed(market.network, (transfer,), (market.signers[owner],), until, os.urandom(16)))
        return made

    def settlements(self, count: int) -> list[bytes]:
        """Signed DvP batches: created, affirmed by both sides and settled in one transaction with two signatures."""
        market, choose = self.market, self._random.randrange
        now = wall_clock_ms()
        made: list[bytes] = []
        while len(made) < count:
            buyer, seller = choose(market.accounts), choose(market.accounts)
            if buyer % len(market.owners) == seller % len(market.owners):
                continue
            made.append(self._settlement(buyer, seller, 1 + choose(1_000), now))
        return made

    def _settlement(self, buyer: int, seller: int, amount: int, now: int) -> bytes:
        market = self.market

        def side(number: int) -> Side:
            owner = number % len(market.owners)
            return Side(market.owners[owner], market.account(number), market.signers[owner])

        place = Place(market.network, ROOT, market.cash, market.security)
        return delivery(place, side(buyer), side(seller), amount, now + VALID_MS)

    async def run(self, transactions: Sequence[bytes], chunks_ahead: int = 24, pause_s: float = 0.0) -> Load:
        """Submit everything, keeping some chunks in flight (or one chunk per ``pause_s``), and wait for the last."""
        gateway, height = self.node.gateway, self.node.application.info().height
        slots = asyncio.Semaphore(chunks_ahead)
        finality: list[float] = []

        async def one(chunk: Sequence[bytes]) -> None:
            begun = time.perf_counter()
            await _submit(gateway, chunk)
            finality.append((time.perf_counter() - begun) * 1e3)
            slots.release()

        started, tasks = time.perf_counter(), list[asyncio.Task[None]]()
        for position in range(0, len(transactions), CHUNK):
            await slots.acquire()
            if pause_s:
                await asyncio.sleep(max(0.0, started + pause_s * len(tasks) - time.perf_counter()))
            tasks.append(asyncio.create_task(one(transactions[position : position + CHUNK])))
        await asyncio.gather(*tasks)
        elapsed = time.perf_counter() - started
        return Load(len(transactions) / elapsed, finality, self.node.application.info().height - height)


async def _submit(gateway: Gateway, chunk: Sequence[bytes]) -> None:
    for result in await gateway.submit(chunk):
        if result.status is not Status.FINAL:
            raise RuntimeError(f"a transaction of the load was not final: {result}")


def _alarm(kind: str, identity: bytes, error: BaseException) -> None:
    raise RuntimeError(f"{kind} during a load") from error


def file_bytes(directory: Path) -> int:
    """The size of the ledger's file in bytes, after everything in its log has been written back."""
    return (directory / LEDGER_FILE).stat().st_size


async def measure(bench: Bench, count: int, repeats: int, with_settlements: bool) -> dict[str, float]:
    """All figures of one market: medians of ``repeats`` runs of ``count`` transactions each, and V in the same run."""
    blocks = await bench.node.start()
    figures: dict[str, list[float]] = {name: [] for name in ("verify", "uniform", "hot", "dvp")}
    await bench.run(bench.transfers(4 * CHUNK))  # warm up: processes started, caches filled
    bytes_before, transfers = file_bytes(bench.directory), 0
    transaction_bytes = 0
    for _ in range(repeats):
        figures["verify"].append(verify_per_second())
        load = bench.transfers(count)
        transaction_bytes = sum(map(len, load)) // count
        figures["uniform"].append((await bench.run(load)).per_second)
        transfers += count
        figures["hot"].append((await bench.run(bench.transfers(count, hot=True))).per_second)
        transfers += count
    grown = file_bytes(bench.directory) - bytes_before
    if with_settlements:
        for _ in range(repeats):
            figures["dvp"].append((await bench.run(bench.settlements(count // 4))).per_second)
    median = {name: statistics.median(values) for name, values in figures.items() if values}
    pace = CHUNK / (median["uniform"] / 2)
    half = await bench.run(bench.transfers(count // 2), pause_s=pace)
    blocks.cancel()
    await bench.node.finish()
    return {
        **median, "start_seconds": bench.start_seconds, "transaction_bytes": transaction_bytes,
        "disk_bytes_per_transfer": grown / transfers, "half_load_worst_ms": max(half.finality_ms),
        "half_load_p99_ms": percentile(half.finality_ms, 99), "memory_mib": memory_mib(os.getpid()),
    }  # fmt: skip
