"""The link between the ledger process and the API process."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.gateway import Office, until
from support.memory_store import MemoryStore
from traco.kernel.screening import Screened
from traco.node.gateway import Status
from traco.node.link import ApiEnd, LedgerEnd, LedgerGone, Sealed
from traco.node.verifiers import VerifierDied

Work = Callable[[ApiEnd, "asyncio.Task[None]"], Coroutine[Any, Any, None]]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "outbox.db", MemoryStore())


async def sealed(office: Office) -> Sealed:
    height = office.application.info().height
    return Sealed(office.engine.seal(), height, office.engine.block_time_ms(), height)


def run(office: Office, work: Work, on_gone: Callable[[], None] = lambda: None) -> None:
    async def linked() -> None:
        near, far = socket.socketpair()
        serving = asyncio.create_task(
            LedgerEnd(office.gateway, lambda at_least: sealed(office), office.figures).serve(near)
        )
        api = ApiEnd(on_gone)
        await api.connect(far)
        try:
            await asyncio.wait_for(work(api, serving), 120)
        finally:
            await api.close()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            office.outbox.close()

    asyncio.run(linked())


def test_results_and_refusals_travel_whole(office: Office) -> None:
    async def work(api: ApiEnd, serving: "asyncio.Task[None]") -> None:
        async with office.running():
            final, refused = await api.submit((office.add(), b"nonsense"), True)
        assert final == office.gateway.result(final.identity)
        assert final == await api.result(final.identity)
        assert refused.status is Status.REFUSED
        assert refused.failure is not None
        assert refused.failure.code == "transaction.malformed"
        assert await api.result(bytes(32)) is None

    run(office, work)


def test_the_seal_travels_with_height_and_time(office: Office) -> None:
    async def work(api: ApiEnd, serving: "asyncio.Task[None]") -> None:
        assert await api.seal() == await sealed(office)

    run(office, work)


def test_a_quick_answer_overtakes_a_slow_one(office: Office) -> None:
    async def work(api: ApiEnd, serving: "asyncio.Task[None]") -> None:
        slow = asyncio.create_task(api.submit((office.add(),), True))
        await api.seal()
        await until(lambda: bool(office.gateway._ready))
        assert (await api.seal()).height == 0
        assert not slow.done()
        async with office.running():
            assert (await slow)[0].status is Status.FINAL

    run(office, work)


def test_one_who_stops_waiting_does_not_disturb_the_others(office: Office) -> None:
    async def work(api: ApiEnd, serving: "asyncio.Task[None]") -> None:
        gone = asyncio.create_task(api.submit((office.add(),), True))
        stays = asyncio.create_task(api.submit((office.add(),), True))
        await until(lambda: len(office.gateway._ready) == 2)
        gone.cancel()
        async with office.running():
            assert (await stays)[0].status is Status.FINAL
        assert (await api.seal()).height == 1
        assert api._waiting == {}

    run(office, work)


def test_when_the_ledger_closes_those_who_wait_are_told_and_the_api_once(office: Office) -> None:
    gone: list[str] = []

    async def work(api: ApiEnd, serving: "asyncio.Task[None]") -> None:
        waiting = asyncio.create_task(api.submit((office.add(),), True))
        await until(lambda: bool(office.gateway._ready))
        serving.cancel()
        with pytest.raises(LedgerGone):
            await waiting
        with pytest.raises(LedgerGone):
            await api.seal()
        assert (gone, api._waiting) == (["gone"], {})

    run(office, work, lambda: gone.append("gone"))


def test_when_the_api_closes_serving_ends_and_what_was_submitted_goes_its_way(office: Office) -> None:
    async def work(api: ApiEnd, serving: "asyncio.Task[None]") -> None:
        waiting = asyncio.create_task(api.submit((office.add(),), True))
        await until(lambda: bool(office.gateway._ready))
        await api.close()
        await serving
        with pytest.raises(LedgerGone):
            await waiting
        async with office.running():
            await until(lambda: office.total() == 1)

    run(office, work)


def test_an_answer_that_fails_ends_serving_with_the_reason(office: Office) -> None:
    class Broken:
        async def screen(self, batch: Sequence[bytes]) -> list[Screened]:
            raise VerifierDied("planted")

    async def work(api: ApiEnd, serving: "asyncio.Task[None]") -> None:
        office.gateway._pool = Broken()
        with pytest.raises(LedgerGone):
            await api.submit((office.add(),), True)
        with pytest.raises(VerifierDied):
            await serving

    run(office, work)


def test_an_api_end_that_is_not_connected_has_no_ledger() -> None:
    async def work() -> None:
        api = ApiEnd()
        with pytest.raises(LedgerGone):
            await api.seal()
        await api.close()

    asyncio.run(work())


def test_the_next_block_is_told_when_it_is_made(office: Office) -> None:
    async def work(api: ApiEnd, serving: "asyncio.Task[None]") -> None:
        waiting = asyncio.create_task(api.next_block(-1))
        await api.seal()
        assert not waiting.done()
        async with office.running():
            await api.submit((office.add(),), True)
            assert await waiting == 1
            assert await api.next_block(0) == 1
            later = asyncio.create_task(api.next_block(1))
            await api.submit((office.add(),), True)
            assert await later == 2

    run(office, work)


def test_who_waits_for_a_block_is_told_that_there_will_be_none(office: Office) -> None:
    async def work(api: ApiEnd, serving: "asyncio.Task[None]") -> None:
        waiting = asyncio.create_task(api.next_block(-1))
        await api.seal()
        serving.cancel()
        with pytest.raises(LedgerGone):
            await waiting

    run(office, work)
