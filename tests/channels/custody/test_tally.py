"""How custodians answer is counted by member, and for how long one has been leaving questions without an answer."""

import pytest

from support.custody_root import ORDER_BY
from support.scripted_custodians import Act, Custodians, Slow, refusing, unreachable
from support.sealed import ANNA, BERT, CHANNEL, EPOCH, NETWORK, NODES, TERMS, payload
from support.virtual_time import run
from traco.channels.custody.collecting import CustodianSeat, Patience, Wanted, collect_receipts
from traco.channels.custody.errors import FOUND_OUT, REFUSALS, PayloadUnavailable, ReceiptsMissing
from traco.channels.custody.fetching import Fetcher, Pace, Sought
from traco.channels.custody.messages import Answer, Found, Hold, Request, Signed
from traco.channels.custody.tally import ANSWERED, OUTCOMES, REFUSED, SILENT, WRONG, Tally
from traco.modules.channel.signing import custody_message, payload_hash

CONTENT = payload("a")
SEAT = CustodianSeat(TERMS.custodians().index(BERT), BERT, NODES[BERT].public)


def signing(request: Request) -> Answer:
    assert isinstance(request, Hold)
    message = custody_message(
        NETWORK, CHANNEL, BERT, EPOCH, ORDER_BY, len(request.content), payload_hash(request.content)
    )
    return Signed(NODES[BERT].sign(message))


def held(act: Act | Slow, attempts: int = 1) -> dict[str, int]:
    """What is counted of a custodian that is asked to hold a payload."""
    wanted, tally = Wanted(NETWORK, CHANNEL, EPOCH, ORDER_BY, ANNA, CONTENT, 1), Tally()
    patience = Patience(call=5.0, attempts=attempts, pause=1.0)

    async def work() -> None:
        try:
            await collect_receipts(wanted, (SEAT,), Custodians({BERT: [act]}), lambda: 0.5, patience, tally)
        except ReceiptsMissing:
            return

    run(work())
    return dict(tally.members()[BERT].counts)


def fetched(act: Act | Slow) -> dict[str, int]:
    """What is counted of a custodian that is asked for a payload."""
    sought, tally = Sought(CHANNEL, payload_hash(CONTENT), len(CONTENT)), Tally()

    async def work() -> None:
        try:
            await Fetcher(Custodians({BERT: [act]}), Pace(call=5.0), tally).fetch(sought, (BERT,))
        except PayloadUnavailable:
            return

    run(work())
    return dict(tally.members()[BERT].counts)


@pytest.mark.parametrize(
    ("act", "outcome"),
    [
        (signing, ANSWERED), (refusing("custody.full"), REFUSED), (unreachable, SILENT), (Slow(6.0, signing), SILENT),
        (lambda _: Signed(bytes(65)), WRONG), (lambda _: Found(CONTENT), WRONG),
    ],
)  # fmt: skip
def test_every_answer_to_a_payload_is_counted(act: Act | Slow, outcome: str) -> None:
    assert held(act) == {outcome: 1}


def test_each_attempt_counts() -> None:
    assert held(unreachable, attempts=3) == {SILENT: 3}


@pytest.mark.parametrize(
    ("act", "outcome"),
    [
        (lambda _: Found(CONTENT), ANSWERED), (refusing("custody.not_held"), REFUSED), (unreachable, SILENT),
        (Slow(6.0, lambda _: Found(CONTENT)), SILENT), (lambda _: Found(b"other"), WRONG), (lambda _: Signed(bytes(65)), WRONG),
    ],
)  # fmt: skip
def test_every_answer_to_a_fetch_is_counted(act: Act | Slow, outcome: str) -> None:
    assert fetched(act) == {outcome: 1}


def test_a_custodian_that_hangs_is_noticed_while_another_one_makes_up_for_it() -> None:
    other = next(member for member in TERMS.custodians() if member not in (ANNA, BERT))
    place = TERMS.custodians().index(other)
    seats = (SEAT, CustodianSeat(place, other, NODES[other].public))
    wanted, tally = Wanted(NETWORK, CHANNEL, EPOCH, ORDER_BY, ANNA, CONTENT, 1), Tally()
    script: dict[bytes, list[Act | Slow]] = {BERT: [signing], other: [Slow(60.0, unreachable)]}
    run(collect_receipts(wanted, seats, Custodians(script), lambda: 0.5, tally=tally))
    assert {member: dict(each.counts) for member, each in tally.members().items()} == {
        BERT: {ANSWERED: 1}, other: {SILENT: 1},
    }  # fmt: skip


def test_who_is_overtaken_when_a_payload_is_fetched_is_not_counted() -> None:
    sought, tally = Sought(CHANNEL, payload_hash(CONTENT), len(CONTENT)), Tally()
    script: dict[bytes, list[Act | Slow]] = {
        ANNA: [Slow(2.0, unreachable)],
        BERT: [lambda _: Found(CONTENT)],
    }
    run(Fetcher(Custodians(script), Pace(hedge=1.0), tally).fetch(sought, (ANNA, BERT)))
    assert list(tally.members()) == [BERT]


def test_silence_lasts_from_the_first_to_the_last_question_and_ends_with_any_answer() -> None:
    times = iter((10.0, 25.0, 70.0))
    tally = Tally(lambda: next(times))
    seconds = []
    for code in ("", "custody.unreachable", "custody.timeout", "custody.busy", "custody.unanswered"):
        tally.note(BERT, code)
        found = tally.members()[BERT]
        seconds.append((found.is_silent, found.silent_s))
    assert seconds == [(False, 0.0), (True, 0.0), (True, 15.0), (False, 0.0), (True, 0.0)]


def test_every_code_has_an_outcome() -> None:
    tally = Tally()
    for code in (*REFUSALS, *FOUND_OUT, ""):
        tally.note(BERT, code)
    assert set(tally.members()[BERT].counts) == set(OUTCOMES)
