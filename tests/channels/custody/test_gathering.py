"""What waits for a custodian goes to it together, and each is answered by itself."""

import asyncio
from collections.abc import Callable

import pytest

from support.sealed import BERT, CARL, CHANNEL, EPOCH, seed
from support.virtual_time import run
from traco.channels.custody.errors import TransportFailed
from traco.channels.custody.gathering import AT_ONCE, WAITING, Gathering
from traco.channels.custody.messages import (
    MAX_MESSAGE_BYTES,
    TOGETHER,
    TOGETHER_BYTES,
    AllSaid,
    Answer,
    Fetch,
    Found,
    Hold,
    HoldAll,
    Refusal,
    Request,
    Signed,
)
from traco.kernel.codec import encode
from traco.modules.channel.parts import MAX_PAYLOAD_BYTES
from traco.node.peering.server import MAX_BYTES

Said = Answer | AllSaid


def hold(number: int, size: int = 8, channel: bytes = CHANNEL) -> Hold:
    return Hold(channel, BERT, EPOCH, 1 + number, bytes(size))


def signed(request: Hold) -> Signed | Refusal:
    """Tells which request it answers; every seventh is refused."""
    if request.order_by % 7 == 0:
        return Refusal("custody.epoch")
    return Signed(request.order_by.to_bytes(65, "big"))


def honest(request: Request | HoldAll) -> Said:
    if isinstance(request, HoldAll):
        return AllSaid(tuple(signed(each) for each in request.requests))
    return signed(request) if isinstance(request, Hold) else Found(b"x")


class Custodian:
    """Takes a second for each call. All calls are kept."""

    def __init__(self, answer: Callable[[Request | HoldAll], Said] = honest) -> None:
        self._answer = answer
        self.calls: list[tuple[bytes, Request | HoldAll]] = []

    async def call(self, member: bytes, request: Request | HoldAll) -> Said:
        self.calls.append((member, request))
        await asyncio.sleep(1)
        return self._answer(request)

    def sizes(self) -> list[int]:
        return [len(each.requests) if isinstance(each, HoldAll) else 1 for _, each in self.calls]


def asked(custodian: Custodian, *requests: Request) -> tuple[list[Answer | BaseException], float]:
    """The answers to requests of the same moment, and how long it took."""

    async def work() -> tuple[list[Answer | BaseException], float]:
        gathering = Gathering(custodian)
        answers = await asyncio.gather(
            *(gathering.call(BERT, each) for each in requests), return_exceptions=True
        )
        return answers, asyncio.get_running_loop().time()

    return run(work())


def codes(answers: list[Answer | BaseException]) -> list[str]:
    return [each.code if isinstance(each, TransportFailed) else "" for each in answers]


def test_what_is_asked_at_once_goes_together_and_each_gets_its_own_answer() -> None:
    custodian, holds = Custodian(), [hold(number) for number in range(40)]
    answers, seconds = asked(custodian, *holds)
    assert answers == [signed(each) for each in holds]
    assert (custodian.sizes(), seconds) == ([40], 1.0)


def test_what_comes_while_calls_are_under_way_goes_together_when_one_is_answered() -> None:
    custodian, holds = Custodian(), [hold(number) for number in range(9)]

    async def work() -> tuple[list[Answer], float]:
        gathering, tasks = Gathering(custodian), list[asyncio.Task[Answer]]()
        for each in holds:
            tasks.append(asyncio.create_task(gathering.call(BERT, each)))
            await asyncio.sleep(0.01)
        return await asyncio.gather(*tasks), asyncio.get_running_loop().time()

    answers, seconds = run(work())
    assert answers == [signed(each) for each in holds]
    assert custodian.sizes() == [1] * AT_ONCE + [9 - AT_ONCE]
    assert seconds == 2.0


def test_one_alone_goes_as_it_is() -> None:
    custodian = Custodian()
    assert asked(custodian, hold(1))[0] == [signed(hold(1))]
    assert custodian.calls == [(BERT, hold(1))]


def test_what_is_no_payload_to_hold_waits_for_nothing() -> None:
    custodian = Custodian()
    fetches = [Fetch(CHANNEL, seed(str(number))) for number in range(9)]
    assert asked(custodian, *fetches) == ([Found(b"x")] * 9, 1.0)


def test_channels_and_custodians_do_not_mix() -> None:
    custodian = Custodian()

    async def work() -> None:
        gathering = Gathering(custodian)
        other = seed("other")
        wanted = [
            (member, hold(1, channel=channel)) for member in (BERT, CARL) for channel in (CHANNEL, other)
        ] * 4
        await asyncio.gather(*(gathering.call(member, each) for member, each in wanted))

    run(work())
    for _, request in custodian.calls:
        if isinstance(request, HoldAll):
            assert len({each.channel for each in request.requests}) == 1
    assert custodian.sizes() == [4] * 4


def test_a_call_has_a_limited_number_and_size() -> None:
    custodian = Custodian()
    asked(custodian, *(hold(number) for number in range(200)))
    assert max(custodian.sizes()) == TOGETHER
    custodian, large = Custodian(), TOGETHER_BYTES // 3
    asked(custodian, *(hold(number, large) for number in range(12)))
    assert max(custodian.sizes()) == 3
    most = HoldAll(
        tuple(
            Hold(CHANNEL, BERT, 2**32 - 1, 2**53 - 1, bytes(TOGETHER_BYTES // TOGETHER))
            for _ in range(TOGETHER)
        )
    )
    assert len(encode(most)) < MAX_BYTES
    assert MAX_PAYLOAD_BYTES <= TOGETHER_BYTES < MAX_MESSAGE_BYTES < MAX_BYTES


def test_no_more_wait_than_may() -> None:
    answers, _ = asked(Custodian(), *(hold(number) for number in range(WAITING + 1)))
    assert codes(answers) == [*[""] * WAITING, "custody.busy"]


def test_who_leaves_is_passed_over_and_the_others_are_answered() -> None:
    custodian = Custodian()

    async def work() -> list[Answer]:
        gathering, tasks = Gathering(custodian), list[asyncio.Task[Answer]]()
        for number in range(AT_ONCE):
            tasks.append(asyncio.create_task(gathering.call(BERT, hold(number))))
            await asyncio.sleep(0.01)
        tasks += [asyncio.create_task(gathering.call(BERT, hold(number))) for number in range(AT_ONCE, 8)]
        await asyncio.sleep(0.5)
        for task in tasks[AT_ONCE:5]:
            task.cancel()
        return await asyncio.gather(*tasks[5:])

    assert run(work()) == [signed(hold(number)) for number in (5, 6, 7)]
    assert custodian.sizes() == [1] * AT_ONCE + [3]


def test_a_call_that_nobody_waits_for_any_more_is_left() -> None:
    custodian = Custodian()

    async def work() -> list[bool]:
        gathering, ended = Gathering(custodian), list[bool]()

        async def slow(member: bytes, request: Request | HoldAll) -> Said:
            try:
                await asyncio.sleep(100)
            finally:
                ended.append(True)
            return honest(request)

        custodian.call = slow  # type: ignore[method-assign]
        tasks = [asyncio.create_task(gathering.call(BERT, hold(number))) for number in range(3)]
        for task in tasks:
            assert not ended
            await asyncio.sleep(1)
            task.cancel()
        await asyncio.sleep(0.1)
        return ended

    assert run(work()) == [True]


@pytest.mark.parametrize(
    "wrong", [AllSaid((Signed(b"\1" * 65),)), Signed(b"\1" * 65), Refusal("custody.busy")]
)
def test_who_does_not_answer_each_has_answered_wrongly(wrong: Said) -> None:
    custodian = Custodian(lambda request: wrong if isinstance(request, HoldAll) else honest(request))
    answers, _ = asked(custodian, *(hold(number) for number in range(6)))
    assert codes(answers) == ["custody.answer_wrong"] * 6


def test_a_line_that_fails_fails_for_all_that_went_together_and_no_others() -> None:
    def failing(request: Request | HoldAll) -> Said:
        if isinstance(request, HoldAll) and request.requests[0].channel == CHANNEL:
            raise TransportFailed("custody.unreachable", "cut")
        return honest(request)

    other = seed("other")
    holds = [hold(number, channel=channel) for channel in (CHANNEL, other) for number in range(3)]
    answers, _ = asked(Custodian(failing), *holds)
    assert codes(answers) == [*["custody.unreachable"] * 3, "", "", ""]


def test_a_node_of_an_older_release_is_asked_one_by_one() -> None:
    custodian = Custodian(
        lambda request: Refusal("custody.malformed") if isinstance(request, HoldAll) else honest(request)
    )
    holds = [hold(number) for number in range(9)]
    assert asked(custodian, *holds)[0] == [signed(each) for each in holds]


def test_one_that_never_answers_does_not_hold_up_what_comes_later() -> None:
    silent = True

    class Silent(Custodian):
        async def call(self, member: bytes, request: Request | HoldAll) -> Said:
            if silent and isinstance(request, HoldAll):
                await asyncio.sleep(10_000)
            return await super().call(member, request)

    async def work() -> Answer:
        nonlocal silent
        gathering = Gathering(Silent())
        tasks = [asyncio.create_task(gathering.call(BERT, hold(number))) for number in range(6)]
        done, waiting = await asyncio.wait(tasks, timeout=5)
        assert (len(done), len(waiting)) == (0, 6)
        for task in waiting:
            task.cancel()
        silent = False
        return await gathering.call(BERT, hold(1))

    assert run(work()) == signed(hold(1))


def test_after_the_end_nobody_waits_for_an_answer() -> None:
    async def work() -> None:
        gathering = Gathering(Custodian())
        tasks = [asyncio.create_task(gathering.call(BERT, hold(number))) for number in range(6)]
        await asyncio.sleep(0.5)
        gathering.close()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(each, asyncio.CancelledError) for each in results] == [True] * 6
        with pytest.raises(TransportFailed):
            await gathering.call(BERT, hold(1))

    run(work())
