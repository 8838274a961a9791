"""The gateway stops when it is told to, whatever else happens at that moment."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from support.counters import SOLO, AddLater
from support.gateway import Office
from support.memory_store import MemoryStore


@pytest.mark.parametrize("steps", range(5))
def test_a_gateway_that_is_stopped_in_the_moment_work_arrives_stops(tmp_path: Path, steps: int) -> None:
    async def work(office: Office) -> None:
        blocks = asyncio.create_task(office.gateway.run())
        # something falls due later: the gateway sleeps until then, or until work arrives
        await office.gateway.submit([office.sign(AddLater(SOLO, "later", office.now_ms + 50_000))])
        await asyncio.sleep(0)
        submitting = asyncio.create_task(office.gateway.submit([office.add()]))
        for _ in range(
            steps
        ):  # of the event loop: one of them lies between the arrival and its being noticed
            await asyncio.sleep(0)
        blocks.cancel()
        ended, running = await asyncio.wait((blocks,), timeout=120)
        for task in (*running, submitting):
            task.cancel()
        await asyncio.gather(submitting, *running, return_exceptions=True)
        assert (len(ended), len(running)) == (1, 0)

    office = Office(tmp_path / "outbox.db", MemoryStore())
    with closing(office.outbox):
        asyncio.run(work(office))


def test_an_orderly_stop_leaves_nothing_to_recover(tmp_path: Path) -> None:
    async def work(office: Office) -> None:
        blocks = asyncio.create_task(office.gateway.run())
        results = await office.gateway.submit([office.add()])
        assert [result.status for result in results] == ["final"]
        blocks.cancel()
        await asyncio.gather(blocks, return_exceptions=True)

    office = Office(tmp_path / "outbox.db", MemoryStore())
    with closing(office.outbox):
        asyncio.run(work(office))
        assert office.outbox.pending() == []
