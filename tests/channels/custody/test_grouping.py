"""Requests of the same time share one write; a slow disk makes refusals, not a queue without end."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.custody_root import ORDER_BY, RootView
from support.sealed import ANNA, BERT, CHANNEL, EPOCH, NODES, payload, seed
from support.virtual_time import run
from traco.channels.custody.errors import CustodyStopped
from traco.channels.custody.grouping import LARGEST_GROUP, MAX_WAITING, Answering, GroupedCustodian
from traco.channels.custody.messages import Answer, Fetch, Hold, Refusal, Signed
from traco.channels.custody.receiving import Asked, Custodian
from traco.channels.custody.store import CustodyStore

SECONDS = 1.0


def asked(number: int) -> Asked:
    return Asked(ANNA, Fetch(CHANNEL, seed(str(number))))


def answering(group: Sequence[Asked]) -> list[Answer]:
    """Says which request it answers."""
    return [Refusal("custody.not_held" if isinstance(each.request, Fetch) else "custody.full") for each in group]  # fmt: skip


class Disk:
    """Writes one group after the other, each in a second, and notes their sizes."""

    def __init__(self) -> None:
        self.groups = list[int]()
        self.fails = False

    async def __call__(self, work: Answering, group: Sequence[Asked]) -> list[Answer]:
        self.groups.append(len(group))
        await asyncio.sleep(SECONDS)
        if self.fails:
            raise CustodyStopped("planted")
        return work(group)


async def ask_all(custodian: GroupedCustodian, count: int) -> list[Answer]:
    return await asyncio.gather(*(custodian.answer(asked(number)) for number in range(count)))


def test_what_comes_while_one_group_is_written_is_the_next_group() -> None:
    disk = Disk()

    async def work() -> float:
        custodian = GroupedCustodian(answering, disk)
        first = asyncio.create_task(ask_all(custodian, 1))
        await asyncio.sleep(SECONDS / 2)
        await ask_all(custodian, 10)
        await first
        return asyncio.get_running_loop().time()

    assert run(work()) == 2 * SECONDS
    assert disk.groups == [1, 10]


def test_each_gets_the_answer_to_its_own_request() -> None:
    def telling(group: Sequence[Asked]) -> list[Answer]:
        return [Signed(each.request.hash[:1] * 65) for each in group if isinstance(each.request, Fetch)]

    answers = run(ask_all(GroupedCustodian(telling, Disk()), 100))
    assert answers == [Signed(seed(str(number))[:1] * 65) for number in range(100)]


def test_groups_are_bounded() -> None:
    disk = Disk()
    run(ask_all(GroupedCustodian(answering, disk), MAX_WAITING))
    assert set(disk.groups) == {LARGEST_GROUP}


def test_more_than_can_wait_is_refused_at_once() -> None:
    disk = Disk()

    answers = run(ask_all(GroupedCustodian(answering, disk), MAX_WAITING + 3))
    assert answers[-3:] == [Refusal("custody.busy")] * 3
    assert Refusal("custody.busy") not in answers[:-3]


def test_after_a_rush_it_answers_again() -> None:
    async def work() -> list[Answer]:
        custodian = GroupedCustodian(answering, Disk())
        await ask_all(custodian, MAX_WAITING * 2)
        return await ask_all(custodian, 1)

    assert run(work()) == [Refusal("custody.not_held")]


def test_a_store_that_stops_is_told_to_all_of_the_group() -> None:
    disk = Disk()
    disk.fails = True

    async def work() -> list[Answer | BaseException]:
        custodian = GroupedCustodian(answering, disk)
        return await asyncio.gather(
            *(custodian.answer(asked(number)) for number in range(3)), return_exceptions=True
        )

    assert [type(each) for each in run(work())] == [CustodyStopped] * 3


def test_one_that_leaves_does_not_disturb_the_others() -> None:
    async def work() -> list[Answer]:
        custodian = GroupedCustodian(answering, Disk())
        leaving = asyncio.create_task(custodian.answer(asked(0)))
        others = asyncio.create_task(ask_all(custodian, 3))
        await asyncio.sleep(SECONDS / 2)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        return await others

    assert run(work()) == [Refusal("custody.not_held")] * 3


def test_receipts_come_from_another_thread_too(tmp_path: Path) -> None:
    store = CustodyStore(tmp_path / "custody.db")
    custodian = Custodian(RootView(), store, {BERT: NODES[BERT]})

    async def work() -> list[Answer]:
        grouped = GroupedCustodian(custodian.answer)
        holds = [Hold(CHANNEL, BERT, EPOCH, ORDER_BY, payload(str(number))) for number in range(20)]
        return await asyncio.gather(*(grouped.answer(Asked(ANNA, each)) for each in holds))

    assert [type(answer) for answer in asyncio.run(work())] == [Signed] * 20
    assert store.statistics()[CHANNEL].payloads == 20
    store.close()
