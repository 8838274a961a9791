"""Rates, requests at once, and turns: one principal never takes what belongs to the others."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from support.gateway import until
from traco.node.api import limits
from traco.node.api.limits import AtOnce, FairQueue, RateLimited, Rates
from traco.node.api.problems import Problem


class Clock:
    """Stands still but for ``now``."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_taken_at_once_and_then_so_many_a_second() -> None:
    clock = Clock()
    rates = Rates(10, 3, clock)
    for _ in range(3):
        rates.take("a")
    with pytest.raises(RateLimited) as caught:
        rates.take("a")
    assert (caught.value.status, caught.value.code) == (429, "limit.rate")
    assert caught.value.headers == {"Retry-After": "1"}
    clock.now = 0.1
    rates.take("a")
    with pytest.raises(RateLimited):
        rates.take("a")


def test_the_time_to_wait_is_told() -> None:
    clock = Clock()
    rates = Rates(1, 5, clock)
    rates._buckets["a"] = (-9.0, 0.0)
    with pytest.raises(RateLimited) as caught:
        rates.take("a")
    assert caught.value.headers == {"Retry-After": "10"}


def test_what_one_takes_is_not_taken_from_another() -> None:
    rates = Rates(1, 1, Clock())
    rates.take("a")
    rates.take("b")
    with pytest.raises(RateLimited):
        rates.take("a")


def test_no_more_than_a_burst_is_saved_up() -> None:
    clock = Clock()
    rates = Rates(10, 2, clock)
    rates.take("a")
    clock.now = 1_000.0
    rates.take("a")
    rates.take("a")
    with pytest.raises(RateLimited):
        rates.take("a")


def test_the_names_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_BUCKETS", 3)
    rates = Rates(1, 1, Clock())
    for number in range(10):
        rates.take(str(number))
    assert list(rates._buckets) == ["7", "8", "9"]


def test_only_so_many_at_once_of_one_and_of_all() -> None:
    counted = AtOnce("limit.streams", "streams", 2, 3)
    counted.enter("a")
    with counted.one("a"), pytest.raises(Problem) as caught:
        counted.enter("a")
    assert (caught.value.status, caught.value.code) == (429, "limit.streams")
    counted.enter("b")
    counted.enter("c")
    with pytest.raises(Problem):
        counted.enter("d")
    counted.leave("c")
    counted.enter("d")


def test_who_has_none_under_way_is_forgotten() -> None:
    counted = AtOnce("limit.streams", "streams", 2, 3)
    with counted.one("a"):
        pass
    assert counted._counts == {}


Work = Callable[["Turns"], Coroutine[Any, Any, None]]


class Turns:
    """Submissions that stay on their way until they are let go; ``served`` in the order of their turns."""

    def __init__(self, each: int, total: int, waiting: int = 100) -> None:
        self.queue = FairQueue(each, total, waiting)
        self.served: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Event] = {}

    def submit(self, label: str, count: int = 1) -> None:
        self._ends[label] = asyncio.Event()
        self.tasks[label] = asyncio.create_task(self._one(label, count))

    async def _one(self, label: str, count: int) -> None:
        async with self.queue.turn(label[0], count):
            self.served.append(label)
            await self._ends[label].wait()

    async def end(self, *labels: str) -> None:
        for label in labels:
            self._ends[label].set()
            await self.tasks[label]
        await self.settle()

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


def run(work: Work, each: int, total: int, waiting: int = 100) -> None:
    async def wrapped() -> None:
        turns = Turns(each, total, waiting)
        await work(turns)
        for task in turns.tasks.values():
            task.cancel()
        await asyncio.gather(*turns.tasks.values(), return_exceptions=True)
        assert (turns.queue._sum, turns.queue._on_way, len(turns.queue._waiting)) == (0, {}, 0)

    asyncio.run(wrapped())


def test_one_with_thousands_waiting_does_not_hold_up_another() -> None:
    async def work(turns: Turns) -> None:
        for number in range(90):
            turns.submit(f"a{number}")
        await turns.settle()
        assert len(turns.served) == 4
        turns.submit("b0")
        await turns.settle()
        assert turns.served[4:] == ["b0"]

    run(work, 4, 8)


def test_when_all_room_is_taken_principals_take_turns() -> None:
    async def work(turns: Turns) -> None:
        for number in range(6):
            turns.submit(f"a{number}")
        await turns.settle()
        turns.submit("b0")
        turns.submit("b1")
        turns.submit("c0")
        await turns.settle()
        assert turns.served == ["a0", "a1", "a2"]
        await turns.end("a0", "a1", "a2")
        await turns.end("a3", "b0", "c0")
        assert turns.served[3:6] == ["a3", "b0", "c0"]
        assert turns.served[6:] == ["a4", "b1", "a5"]

    run(work, 10, 3)


def test_a_large_batch_is_not_overtaken_for_ever_by_small_ones() -> None:
    async def work(turns: Turns) -> None:
        turns.submit("a0", 4)
        await turns.settle()
        turns.submit("b0", 4)
        await turns.settle()
        turns.submit("c0", 1)
        await turns.settle()
        assert turns.served == ["a0"]
        await turns.end("a0")
        assert turns.served == ["a0", "b0"]
        await turns.end("b0")
        assert turns.served == ["a0", "b0", "c0"]

    run(work, 4, 4)


def test_a_batch_larger_than_the_room_is_taken_alone() -> None:
    async def work(turns: Turns) -> None:
        turns.submit("a0", 100)
        await turns.settle()
        turns.submit("b0")
        await turns.settle()
        assert turns.served == ["a0"]
        await turns.end("a0")
        assert turns.served == ["a0", "b0"]

    run(work, 4, 4)


def test_too_many_that_wait_are_told_to_come_back() -> None:
    async def work(turns: Turns) -> None:
        for number in range(3):
            turns.submit(f"a{number}")
        await turns.settle()
        with pytest.raises(Problem) as caught:
            async with turns.queue.turn("a", 1):
                raise AssertionError("it had no turn")
        assert (caught.value.status, caught.value.code) == (429, "limit.in_flight")

    run(work, 1, 10, waiting=2)


def test_who_gives_up_waiting_leaves_its_place_to_the_next() -> None:
    async def work(turns: Turns) -> None:
        for label in ("a0", "a1", "a2"):
            turns.submit(label)
        await turns.settle()
        turns.tasks["a1"].cancel()
        await turns.settle()
        await turns.end("a0")
        assert turns.served == ["a0", "a2"]

    run(work, 1, 10)


def test_who_gives_up_in_the_moment_of_its_turn_gives_it_back() -> None:
    async def work(turns: Turns) -> None:
        for label in ("a0", "a1", "a2"):
            turns.submit(label)
        await turns.settle()
        turns._ends["a0"].set()
        await until(turns.tasks["a0"].done)
        turns.tasks["a1"].cancel()
        await turns.settle()
        assert turns.served[0] == "a0"
        assert turns.served[-1] == "a2"

    run(work, 1, 10)
