"""Signatures of foreign envelopes: each checked once, early if there is room, and never lost to those who wait."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from support.counters import counter_genesis, counter_registry
from support.gateway import DirectPool, until
from traco.engine.cometbft import foreign
from traco.engine.cometbft.foreign import ForeignScreening
from traco.kernel.errors import Halt
from traco.kernel.screening import DirectScreener, Screened
from traco.node.remembering import RememberingScreener


class Desk:
    """Screening over a pool whose gate tests open and close; any bytes do, each has an answer."""

    def __init__(self) -> None:
        direct = DirectScreener(counter_registry().body, counter_genesis().kernel_parameters())
        self.pool = DirectPool(direct)
        self.memory = RememberingScreener(direct)
        self.screening = ForeignScreening(self.pool, self.memory)


def run(scenario: Callable[[Desk], Coroutine[Any, Any, None]]) -> Desk:
    desk = Desk()
    asyncio.run(asyncio.wait_for(scenario(desk), 120))
    return desk


def some(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def test_what_is_missing_is_screened_in_batches_and_remembered() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.screening.complete(some(300))

    desk = run(scenario)
    assert desk.pool.batches == [128, 128, 44]
    assert desk.memory.missing(some(300)) == []


def test_nothing_is_screened_twice_neither_remembered_nor_on_its_way_nor_repeated() -> None:
    async def scenario(desk: Desk) -> None:
        desk.pool.gate.clear()
        desk.screening.begin(some(2))
        desk.screening.begin(some(3))
        completing = asyncio.create_task(desk.screening.complete([*some(4), *some(4)]))
        await until(lambda: len(desk.pool.batches) == 3)
        desk.pool.gate.set()
        await completing
        await desk.screening.complete(some(4))

    assert run(scenario).pool.batches == [2, 1, 1]


def test_when_many_are_on_their_way_only_those_of_a_decided_block_are_added(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(foreign, "AHEAD", 3)

    async def scenario(desk: Desk) -> None:
        desk.pool.gate.clear()
        desk.screening.begin(some(2))
        desk.screening.begin([b"x", b"y"])
        completing = asyncio.create_task(desk.screening.complete([b"x"]))
        await until(lambda: len(desk.pool.batches) == 2)
        desk.pool.gate.set()
        await completing

    assert run(scenario).pool.batches == [2, 1]


def test_who_stops_waiting_takes_nothing_from_others() -> None:
    async def scenario(desk: Desk) -> None:
        desk.pool.gate.clear()
        first, second = (asyncio.create_task(desk.screening.complete(some(2))) for _ in range(2))
        await until(lambda: len(desk.pool.batches) == 1)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        desk.pool.gate.set()
        await second

    assert run(scenario).pool.batches == [2]


class DeadPool:
    """Its verifiers have died."""

    async def screen(self, batch: Sequence[bytes]) -> Sequence[Screened]:
        raise Halt("a verifier process ended")


def test_a_dead_verifier_halts_who_waits_and_nobody_else() -> None:
    async def scenario(desk: Desk) -> None:
        screening = ForeignScreening(DeadPool(), desk.memory)
        screening.begin([b"x"])
        await asyncio.sleep(0)
        with pytest.raises(Halt, match="verifier"):
            await screening.complete([b"x"])

    run(scenario)
