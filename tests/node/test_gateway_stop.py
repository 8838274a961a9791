"""The gateway stops when it is told to, whatever else happens at that moment."""

import asyncio
from contextlib import closing
from pathlib import Path

from support.gateway import Office
from support.memory_store import MemoryStore


def test_a_gateway_that_is_stopped_in_the_moment_work_arrives_stops(tmp_path: Path) -> None:
    async def work(office: Office) -> None:
        blocks = asyncio.create_task(office.gateway.run())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        submitting = asyncio.create_task(office.gateway.submit([office.add()]))
        waiting = office.gateway._work
        while not waiting.is_set():
            await asyncio.sleep(0)
        blocks.cancel()
        ended, running = await asyncio.wait((blocks,), timeout=5)
        submitting.cancel()
        for task in running:
            task.cancel()
        assert (len(ended), len(running)) == (1, 0)

    office = Office(tmp_path / "outbox.db", MemoryStore())
    with closing(office.outbox):
        asyncio.run(work(office))
