"""A payload comes back from whoever has it; who gives something else is named; slow ones are overtaken."""

import asyncio

import pytest

from support.scripted_custodians import Act, Custodians, Slow, refusing, unreachable
from support.sealed import ANNA, BERT, CARL, CHANNEL, VERA, payload
from support.virtual_time import run
from traco.channels.custody.errors import CustodianFailure, PayloadUnavailable
from traco.channels.custody.fetching import Fetched, Fetcher, Pace, Sought
from traco.channels.custody.messages import Fetch, Found, Signed
from traco.modules.channel.signing import payload_hash

CONTENT = payload("a")
SOUGHT = Sought(CHANNEL, payload_hash(CONTENT), len(CONTENT))
PACE = Pace(call=10.0, hedge=1.0, custodians=2, payloads=2)
WRONG = Found(payload("b"))


def giving(content: bytes = CONTENT) -> Act:
    return lambda _request: Found(content)


def fetch(custodians: Custodians, members: tuple[bytes, ...], sought: Sought = SOUGHT) -> tuple[Fetched, float]:  # fmt: skip
    async def work() -> tuple[Fetched, float]:
        fetched = await Fetcher(custodians, PACE).fetch(sought, members)
        return fetched, asyncio.get_running_loop().time()

    return run(work())


def failing(custodians: Custodians, members: tuple[bytes, ...], sought: Sought = SOUGHT) -> tuple[PayloadUnavailable, float]:  # fmt: skip
    async def work() -> tuple[PayloadUnavailable, float]:
        with pytest.raises(PayloadUnavailable) as caught:
            await Fetcher(custodians, PACE).fetch(sought, members)
        return caught.value, asyncio.get_running_loop().time()

    return run(work())


def test_the_first_custodian_is_asked_alone_while_it_is_quick() -> None:
    custodians = Custodians({ANNA: [giving()], BERT: [giving()]})
    assert fetch(custodians, (ANNA, BERT)) == (Fetched(CONTENT, ANNA, ()), 0.0)
    assert custodians.asked() == [ANNA]


def test_it_asks_by_channel_and_hash() -> None:
    def act(request: object) -> Found:
        assert request == Fetch(CHANNEL, SOUGHT.hash)
        return Found(CONTENT)

    fetch(Custodians({ANNA: [act]}), (ANNA,))


def test_wrong_bytes_are_told_and_their_giver_is_named() -> None:
    fetched, seconds = fetch(Custodians({ANNA: [lambda _: WRONG], BERT: [giving()]}), (ANNA, BERT))
    assert fetched == Fetched(CONTENT, BERT, (CustodianFailure(ANNA, "custody.wrong_bytes"),))
    assert seconds == 0.0


@pytest.mark.parametrize("place", range(0, len(CONTENT), 37))
def test_bytes_with_one_bit_altered_are_wrong(place: int) -> None:
    altered = bytearray(CONTENT)
    altered[place] ^= 1
    error, _ = failing(Custodians({ANNA: [giving(bytes(altered))]}), (ANNA,))
    assert error.failures == ((ANNA, "custody.wrong_bytes"),)


def test_bytes_of_another_size_than_the_entry_says_are_wrong() -> None:
    error, _ = failing(Custodians({ANNA: [giving()]}), (ANNA,), SOUGHT._replace(size=SOUGHT.size + 1))
    assert error.failures == ((ANNA, "custody.wrong_bytes"),)


def test_a_slow_custodian_is_overtaken_and_left() -> None:
    custodians = Custodians({ANNA: [Slow(5.0, giving())], BERT: [giving()]})
    fetched, seconds = fetch(custodians, (ANNA, BERT))
    assert (fetched.member, seconds) == (BERT, PACE.hedge)
    assert custodians.left == [ANNA]


def test_a_slow_custodian_still_wins_over_a_slower_one() -> None:
    custodians = Custodians({ANNA: [Slow(2.0, giving())], BERT: [Slow(5.0, giving())]})
    fetched, seconds = fetch(custodians, (ANNA, BERT))
    assert (fetched.member, seconds) == (ANNA, 2.0)
    assert custodians.left == [BERT]


def test_no_more_custodians_are_asked_at_once_than_allowed() -> None:
    slow: list[Act | Slow] = [Slow(4.0, giving())]
    custodians = Custodians({member: list(slow) for member in (ANNA, BERT, CARL, VERA)})
    fetch(custodians, (ANNA, BERT, CARL, VERA))
    assert custodians.asked() == [ANNA, BERT]
    assert custodians.most == PACE.custodians


def test_the_next_is_asked_as_soon_as_one_fails() -> None:
    custodians = Custodians(
        {
            ANNA: [Slow(5.0, giving())],
            BERT: [refusing("custody.not_held")],
            CARL: [giving()],
        }
    )
    fetched, seconds = fetch(custodians, (ANNA, BERT, CARL))
    assert fetched == Fetched(CONTENT, CARL, (CustodianFailure(BERT, "custody.not_held"),))
    assert seconds == PACE.hedge


def test_all_failures_are_named_when_nobody_has_it() -> None:
    custodians = Custodians(
        {
            ANNA: [refusing("custody.not_held")],
            BERT: [unreachable],
            CARL: [Slow(60.0, giving())],
            VERA: [lambda _: Signed(b"\1" * 65)],
        }
    )
    error, seconds = failing(custodians, (ANNA, BERT, CARL, VERA))
    assert set(error.failures) == {
        (ANNA, "custody.not_held"), (BERT, "custody.unreachable"), (CARL, "custody.timeout"), (VERA, "custody.answer_wrong"),
    }  # fmt: skip
    assert seconds == PACE.call
    assert "report it missing on the root" in str(error)


def test_each_custodian_is_asked_once() -> None:
    custodians = Custodians({ANNA: [refusing("custody.not_held")]})
    failing(custodians, (ANNA, ANNA))
    assert custodians.asked() == [ANNA]


def test_without_custodians_it_is_unavailable() -> None:
    assert failing(Custodians({}), ())[0].failures == ()


def test_a_code_that_no_custodian_has_is_not_passed_on() -> None:
    error, _ = failing(Custodians({ANNA: [refusing("anything/at.all")]}), (ANNA,))
    assert error.failures == ((ANNA, "custody.answer_wrong"),)


def test_payloads_wait_for_their_turn() -> None:
    contents = [payload(str(number)) for number in range(6)]
    by_hash = {payload_hash(each): each for each in contents}

    def act(request: object) -> Found:
        assert isinstance(request, Fetch)
        return Found(by_hash[request.hash])

    custodians = Custodians({ANNA: [Slow(0.5, act)]})

    async def work() -> tuple[list[Fetched], float]:
        fetcher = Fetcher(custodians, PACE)
        wanted = [Sought(CHANNEL, payload_hash(each), len(each)) for each in contents]
        fetched = await asyncio.gather(*(fetcher.fetch(each, (ANNA,)) for each in wanted))
        return fetched, asyncio.get_running_loop().time()

    fetched, seconds = run(work())
    assert [each.content for each in fetched] == contents
    assert (custodians.most, seconds) == (PACE.payloads, 1.5)


def test_a_fetch_that_is_given_up_leaves_no_calls_and_no_turn_behind() -> None:
    custodians = Custodians({ANNA: [Slow(5.0, giving())], BERT: [Slow(5.0, giving())]})

    async def work() -> Fetched:
        fetcher = Fetcher(custodians, PACE._replace(payloads=1))
        given_up = asyncio.create_task(fetcher.fetch(SOUGHT, (ANNA, BERT)))
        await asyncio.sleep(2.0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        assert custodians.running == 0
        return await fetcher.fetch(SOUGHT, (ANNA,))

    assert run(work()).content == CONTENT
