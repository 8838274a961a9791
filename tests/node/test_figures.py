"""What the ledger process counts: by block, in plain numbers, with the request that a transaction came with."""

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.counters import SOLO, Fail
from support.gateway import Office, until
from support.memory_store import MemoryStore
from traco.kernel.codec import encode
from traco.kernel.transaction import RawTransaction, transaction_id
from traco.node.figures import BLOCK_BOUNDS, Figures, Histogram, Meter, Occupancy, memory_bytes
from traco.node.logs import REQUEST

EMPTY = Occupancy(on_way=0, ready=0, ready_bytes=0, outbox=0, verifying=0, oldest_ms=0, is_full=False)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    opened = Office(tmp_path / "outbox.db", MemoryStore())
    yield opened
    opened.outbox.close()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 120))


def identity(raw: bytes) -> bytes:
    return transaction_id(bytes(msgspec.msgpack.Decoder(RawTransaction).decode(raw).body))


def test_a_block_is_counted_with_what_became_of_its_transactions(office: Office) -> None:
    async def work() -> None:
        async with office.running():
            await office.gateway.submit(
                [office.add(), office.add(), office.sign(Fail(SOLO, "reject")), b"nonsense"]
            )

    run(work())
    figures = office.figures()
    assert dict(figures.outcomes) == {"final": 2, "rejected": 1, "refused": 1}
    assert sum(count for _, count in figures.rejected) == 1
    assert figures.refused == (("transaction.malformed", 1),)
    assert (figures.height, figures.blocks, figures.envelopes) == (1, 1, 1)
    assert sum(figures.block_seconds.counts) == 1
    assert figures.block_seconds.sum_us > 0
    assert figures.state_keys == len(office.application.tree)


def test_what_waits_is_seen_with_the_age_of_the_oldest(office: Office) -> None:
    async def work() -> None:
        waiting = asyncio.create_task(office.gateway.submit([office.add(), office.add()]))
        await until(lambda: office.gateway.occupancy().ready == 2)
        begun = office.meter.clock
        office.meter.clock = lambda: begun() + 12
        seen = office.gateway.occupancy()
        assert (seen.on_way, seen.ready, seen.is_full) == (2, 2, False)
        assert seen.ready_bytes > 0
        assert seen.oldest_ms >= 12_000
        async with office.running():
            await waiting
        assert office.gateway.occupancy() == EMPTY

    run(work())


def test_what_verifiers_have_is_seen(office: Office) -> None:
    async def work() -> None:
        office.pool.gate.clear()
        waiting = asyncio.create_task(office.gateway.submit([office.add()]))
        await until(lambda: bool(office.pool.batches))
        assert office.gateway.occupancy().verifying == 1
        office.pool.gate.set()
        async with office.running():
            await waiting
        assert office.gateway.occupancy().verifying == 0

    run(work())


def test_a_transaction_in_the_outbox_knows_the_request_that_it_came_with(office: Office) -> None:
    async def work() -> None:
        raw = office.add()
        token = REQUEST.set("the-request")
        waiting = asyncio.create_task(office.gateway.submit([raw]))
        REQUEST.reset(token)
        await until(lambda: office.gateway.occupancy().ready == 1)
        office.gateway._pack()
        assert office.gateway.request_of(identity(raw)) == "the-request"
        assert office.gateway.request_of(bytes(32)) == ""
        async with office.running():
            await waiting

    run(work())


def test_alarms_are_counted_and_the_last_is_kept() -> None:
    meter = Meter(now_ms=lambda: 5)
    meter.alarm("kernel.fault", bytes(32))
    meter.alarm("kernel.fault", b"\x01" * 32)
    figures = meter.figures(1, 2, 3, 0, EMPTY)
    assert figures.alarms == (("kernel.fault", 2),)
    assert figures.last_alarm is not None
    assert (figures.last_alarm.transaction, figures.last_alarm.time_ms) == ("01" * 32, 5)


def test_a_duration_is_counted_at_its_bound_and_above_the_last() -> None:
    histogram = Histogram()
    for seconds in (0.0, BLOCK_BOUNDS[0], BLOCK_BOUNDS[-1], BLOCK_BOUNDS[-1] + 1):
        histogram.add(seconds)
    spread = histogram.spread()
    assert (spread.counts[0], spread.counts[-2], spread.counts[-1]) == (2, 1, 1)
    assert spread.sum_us == 21_001_000


def test_figures_travel_whole() -> None:
    meter = Meter()
    meter.alarm("kernel.fault", bytes(32))
    figures = meter.figures(1, 2, 3, 4, EMPTY)
    assert msgspec.msgpack.Decoder(Figures).decode(encode(figures)) == figures


def test_memory_is_more_than_nothing() -> None:
    assert memory_bytes() > 1_000_000
