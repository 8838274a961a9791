"""What a node asks of others: who does the steps is woken when an answer gives something to do, and not when it does not."""

import asyncio

import pytest

from traco.channels.seat.errands import Errands
from traco.channels.seat.ports import RootUnavailable
from traco.kernel.errors import Halt

KEY = ("fetch", b"payload")


class Asleep:
    """Errands of somebody who sleeps until he is woken."""

    def __init__(self) -> None:
        self.woken = 0
        self.errands = Errands(self._wake)

    def _wake(self) -> None:
        self.woken += 1

    async def ended(self, answer: bool | Exception) -> None:
        """An errand that is over, with this answer."""
        self.errands.start(KEY, _answering(answer))
        while any(not task.done() for task in asyncio.all_tasks() - {asyncio.current_task()}):
            await asyncio.sleep(0)
        await asyncio.sleep(0)


async def _answering(answer: bool | Exception) -> bool:
    await asyncio.sleep(0)
    if isinstance(answer, Exception):
        raise answer
    return answer


def test_an_errand_that_brought_something_wakes_at_once_and_is_collected_without_waiting() -> None:
    async def scene() -> None:
        asleep = Asleep()
        await asleep.ended(True)
        assert asleep.woken == 1
        assert asleep.errands.is_running(*KEY)
        assert asleep.errands.collect()
        assert not asleep.errands.is_running(*KEY)

    asyncio.run(scene())


@pytest.mark.parametrize("answer", [False, RootUnavailable()])
def test_an_errand_in_vain_wakes_nobody_because_it_would_be_begun_again_at_once(
    answer: bool | Exception,
) -> None:
    async def scene() -> None:
        asleep = Asleep()
        await asleep.ended(answer)
        assert asleep.woken == 0
        assert not asleep.errands.collect()

    asyncio.run(scene())


def test_an_errand_that_stops_the_node_wakes_and_is_raised() -> None:
    async def scene() -> None:
        asleep = Asleep()
        await asleep.ended(Halt("the disk is full"))
        assert asleep.woken == 1
        with pytest.raises(Halt, match="the disk is full"):
            asleep.errands.collect()

    asyncio.run(scene())


def test_what_was_left_wakes_nobody() -> None:
    async def scene() -> None:
        asleep = Asleep()
        asleep.errands.start(KEY, _answering(True))
        asleep.errands.abandon()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert asleep.woken == 0

    asyncio.run(scene())
