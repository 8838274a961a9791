"""Loads over REST on a running node: batches, single transfers, reads beside writes, statements, how far projections lag."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from bench.connections import JSON, Connection
from bench.machine import percentile
from bench.market import signed
from bench.node_process import Node, json_of
from traco.modules.holding.messages import Transfer
from traco.node.clock import wall_clock_ms

CLIENTS: Final = 32
CHUNK: Final = 512
READERS: Final = 4
PAUSE_S: Final = 0.005  # of a reader between two reads
LOOK_S: Final = 0.1  # between two looks at how far projections are
VALID_MS: Final = 240_000
FINAL: Final = b'"status":"final"'


def transfers(node: Node, count: int, receiver: int | None = None) -> list[bytes]:
    """Signed transfers: account after account pays the next one, or all pay the ``receiver``."""
    market, until, made = node.market, wall_clock_ms() + VALID_MS, []
    for number in range(count):
        sender = 1 + number % (market.accounts - 2)
        owner = sender % len(market.owners)
        target = sender + 1 if receiver is None else receiver
        accounts = market.account(sender), market.account(target)
        transfer = Transfer(market.owners[owner], market.cash, *accounts, 1, b"")
        made.append(signed(market.network, (transfer,), (market.signers[owner],), until, os.urandom(16)))
    return made


def batches_of(made: list[bytes]) -> list[tuple[bytes, int]]:
    """Bodies for the batch endpoint, with how many transfers each has."""
    chunks = [made[at : at + CHUNK] for at in range(0, len(made), CHUNK)]
    return [(msgspec.msgpack.encode(chunk), len(chunk)) for chunk in chunks]


async def batches_per_second(node: Node, made: list[bytes]) -> float:
    """Transfers per second through the batch endpoint, until all are final."""
    batches = iter(batches_of(made))

    async def work(connection: Connection) -> None:
        for body, count in batches:
            answer = await connection.post("/v1/transactions/batch", body)
            _require(answer.content, count)

    return len(made) / await _seconds(node, work)


async def singles_per_second(node: Node, made: list[bytes]) -> float:
    """Transfers per second with one transfer per request, until each is final."""
    waiting = iter(made)

    async def work(connection: Connection) -> None:
        for raw in waiting:
            _require((await connection.post("/v1/transactions", raw)).content, 1)

    return len(made) / await _seconds(node, work)


async def reads_at_half_load(node: Node, made: list[bytes], per_second: float) -> list[float]:
    """How long reads of holdings take, in ms, while batches are submitted at half of ``per_second``."""
    taken: list[float] = []
    writing = asyncio.create_task(_paced(node, made, CHUNK / (per_second / 2)))

    async def read(owner: int) -> None:
        connection, market = await node.connection(owner), node.market
        # every account of an owner in turn
        account = owner
        while not writing.done():
            account = (account + len(market.owners)) % market.accounts
            body = {"instrument": market.cash.hex(), "account": market.account(account).hex()}
            begun = time.perf_counter()
            json_of(await connection.post("/v1/queries/holding.get", msgspec.json.encode(body), JSON))
            taken.append((time.perf_counter() - begun) * 1e3)
            await asyncio.sleep(PAUSE_S)
        await connection.close()

    await asyncio.gather(writing, *map(read, range(READERS)))
    return taken


async def _paced(node: Node, made: list[bytes], pause_s: float) -> None:
    """One batch every ``pause_s``, whether or not the one before has been answered."""
    idle: asyncio.Queue[Connection] = asyncio.Queue()
    for number in range(CLIENTS):
        idle.put_nowait(await node.connection(number))
    begun, tasks = time.perf_counter(), list[asyncio.Task[None]]()

    async def submit(connection: Connection, body: bytes, count: int) -> None:
        _require((await connection.post("/v1/transactions/batch", body)).content, count)
        idle.put_nowait(connection)

    for number, (body, count) in enumerate(batches_of(made)):
        await asyncio.sleep(max(0.0, begun + number * pause_s - time.perf_counter()))
        tasks.append(asyncio.create_task(submit(await idle.get(), body, count)))
    await asyncio.gather(*tasks)
    while not idle.empty():
        await idle.get_nowait().close()


async def lag_seconds(node: Node, ended: asyncio.Event) -> float:
    """The longest time that a block was final before projections had it, until ``ended`` and all is projected."""
    connection, worst = await node.operator(), 0.0
    final_at: list[tuple[float, int]] = []  # when the ledger was first seen at a height
    while True:
        ledger, projected = await node.heights(connection)
        now = time.perf_counter()
        final_at.append((now, ledger))
        while final_at and final_at[0][1] <= projected:
            final_at.pop(0)
        if final_at:
            worst = max(worst, now - final_at[0][0])
        elif ended.is_set():
            await connection.close()
            return worst
        await asyncio.sleep(LOOK_S)


async def statement_page_ms(node: Node, account: int, repeats: int) -> float:
    """The first page (1,000 movements) of a statement with opening and closing balance: median in ms."""
    connection = await node.connection(account)
    path = f"/v1/reports/statement?account={node.market.account(account).hex()}&instrument={node.market.cash.hex()}&limit=1000"
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        json_of(await connection.get(path))
        taken.append((time.perf_counter() - begun) * 1e3)
    await connection.close()
    return percentile(taken, 50)


def _require(content: bytes, count: int) -> None:
    if content.count(FINAL) != count:
        raise RuntimeError(f"a transaction of the load was not final: {content[:500]!r}")


async def _seconds(node: Node, work: Callable[[Connection], Awaitable[None]]) -> float:
    """How long all clients together take."""
    connections = [await node.connection(number) for number in range(CLIENTS)]
    begun = time.perf_counter()
    await asyncio.gather(*(work(connection) for connection in connections))
    taken = time.perf_counter() - begun
    for connection in connections:
        await connection.close()
    return taken
