"""Receipts of enough other organisations, each as the root will accept it, or who failed how."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.custody_root import ORDER_BY, RootView
from support.scripted_custodians import Act, Custodians, Slow, refusing, unreachable
from support.sealed import ANNA, BERT, CARL, CHANNEL, EPOCH, NETWORK, NODES, OLAF, TERMS, VERA, payload, seed
from support.virtual_time import run
from traco.channels.custody.collecting import CustodianSeat, Patience, Wanted, collect_receipts
from traco.channels.custody.errors import ReceiptsMissing
from traco.channels.custody.messages import Answer, Found, Hold, Request, Signed
from traco.channels.custody.receiving import Asked, Custodian
from traco.channels.custody.store import CustodyStore
from traco.kernel import crypto
from traco.modules.channel.parts import Receipt
from traco.modules.channel.signing import custody_message, payload_hash

CONTENT = payload("a")
WANTED = Wanted(NETWORK, CHANNEL, EPOCH, ORDER_BY, ANNA, CONTENT, 2)
SEATS = tuple(
    CustodianSeat(place, member, NODES[member].public) for place, member in enumerate(TERMS.custodians())
)
PATIENCE = Patience(call=5.0, attempts=3, pause=1.0, extra=0.5)


def signing(member: bytes, **changed: bytes | int) -> Act:
    """Signs as ``member``; ``changed``: other things than it was asked for."""

    def act(request: Request) -> Answer:
        assert isinstance(request, Hold)
        parts = {
            "network": NETWORK, "channel": CHANNEL, "custodian": request.custodian, "epoch": request.epoch,
            "order_by": request.order_by, "size": len(request.content), "payload": payload_hash(request.content), **changed,
        }  # fmt: skip
        return Signed(NODES[member].sign(custody_message(**parts)))  # type: ignore[arg-type]  # by name

    return act


def honest(**others: list[Act | Slow]) -> dict[bytes, list[Act | Slow]]:
    """All custodians sign at once, but for those named in lower case."""
    names = {"bert": BERT, "carl": CARL, "vera": VERA}
    return {member: others.get(name, [signing(member)]) for name, member in names.items()}


def collect(
    custodians: Custodians, wanted: Wanted = WANTED, patience: Patience = PATIENCE
) -> tuple[tuple[Receipt, ...], float]:
    """The receipts, and how long it took."""

    async def work() -> tuple[tuple[Receipt, ...], float]:
        receipts = await collect_receipts(wanted, SEATS, custodians, lambda: 0.5, patience)
        return receipts, asyncio.get_running_loop().time()

    return run(work())


def failing(script: Mapping[bytes, list[Act | Slow]], wanted: Wanted = WANTED) -> tuple[ReceiptsMissing, float]:  # fmt: skip
    async def work() -> tuple[ReceiptsMissing, float]:
        with pytest.raises(ReceiptsMissing) as caught:
            await collect_receipts(wanted, SEATS, Custodians(script), lambda: 0.5, PATIENCE)
        return caught.value, asyncio.get_running_loop().time()

    return run(work())


def test_receipts_come_in_the_order_of_places_and_verify() -> None:
    receipts, _ = collect(Custodians(honest(bert=[Slow(0.1, signing(BERT))])))
    assert [receipt.place for receipt in receipts] == [1, 2, 3]
    for receipt in receipts:
        member = TERMS.custodians()[receipt.place]
        message = custody_message(
            NETWORK, CHANNEL, member, EPOCH, ORDER_BY, len(CONTENT), payload_hash(CONTENT)
        )
        crypto.verify(NODES[member].public, message, receipt.signature)


def test_the_sender_itself_is_not_asked() -> None:
    custodians = Custodians(honest())
    collect(custodians)
    assert sorted(custodians.asked()) == [BERT, CARL, VERA]


def test_enough_receipts_do_not_wait_for_the_slow() -> None:
    custodians = Custodians(honest(vera=[Slow(4.0, signing(VERA))]))
    receipts, seconds = collect(custodians)
    assert [receipt.place for receipt in receipts] == [1, 2]
    assert seconds == PATIENCE.extra
    assert custodians.left == [VERA]


def test_one_that_is_slow_but_needed_is_waited_for() -> None:
    script = honest(vera=[Slow(4.0, signing(VERA))], carl=[refusing("custody.too_large")])
    receipts, seconds = collect(Custodians(script))
    assert ([receipt.place for receipt in receipts], seconds) == ([1, 3], 4.0)


def test_all_are_asked_at_once() -> None:
    custodians = Custodians(honest(bert=[Slow(1.0, signing(BERT))], carl=[Slow(1.0, signing(CARL))]))
    _, seconds = collect(custodians)
    assert custodians.most == 3
    assert seconds == 1.0


@pytest.mark.parametrize(
    "changed",
    [{"network": seed("other")}, {"channel": seed("other")}, {"custodian": CARL}, {"epoch": EPOCH + 1},
     {"order_by": ORDER_BY + 1}, {"size": 1}, {"payload": seed("other")}],
)  # fmt: skip
def test_a_receipt_for_something_else_does_not_count(changed: dict[str, bytes | int]) -> None:
    script = honest(bert=[signing(BERT, **changed)])
    receipts, _ = collect(Custodians(script))
    assert [receipt.place for receipt in receipts] == [2, 3]
    error, _ = failing(script, WANTED._replace(needed=3))
    assert (BERT, "custody.receipt_forged") in error.failures


def test_a_receipt_by_another_key_does_not_count_and_is_not_asked_for_again() -> None:
    custodians = Custodians(honest(bert=[signing(OLAF)]))
    receipts, _ = collect(custodians)
    assert [receipt.place for receipt in receipts] == [2, 3]
    assert custodians.asked().count(BERT) == 1


def test_one_organisation_that_answers_for_another_counts_for_none() -> None:
    error, _ = failing({BERT: [signing(BERT)], CARL: [signing(BERT)], VERA: [signing(BERT)]})
    assert [receipt.place for receipt in error.receipts] == [1]


@pytest.mark.parametrize("code", ["custody.full", "custody.epoch", "custody.not_entitled"])
def test_one_that_refuses_for_a_while_is_asked_again(code: str) -> None:
    custodians = Custodians(honest(bert=[refusing(code), unreachable, signing(BERT)]))
    receipts, seconds = collect(custodians, WANTED._replace(needed=3))
    assert [receipt.place for receipt in receipts] == [1, 2, 3]
    assert seconds == 1.0 + 2.0


def test_pauses_vary() -> None:
    async def work(draw: float) -> float:
        custodians = Custodians(honest(bert=[unreachable, signing(BERT)]))
        await collect_receipts(WANTED._replace(needed=3), SEATS, custodians, lambda: draw, PATIENCE)
        return asyncio.get_running_loop().time()

    assert [run(work(draw)) for draw in (0.0, 0.5, 1.0)] == [0.5, 1.0, 1.5]


def test_attempts_are_bounded_and_each_failure_is_named() -> None:
    error, seconds = failing(
        {
            BERT: [unreachable],
            CARL: [Slow(60.0, signing(CARL))],
            VERA: [refusing("custody.full")],
        }
    )
    assert error.receipts == ()
    assert set(error.failures) == {
        (BERT, "custody.unreachable"), (VERA, "custody.full"), (CARL, "custody.unanswered"),
    }  # fmt: skip
    assert seconds == 3.0
    assert BERT.hex() in str(error)
    assert "put the payload itself on the root" in str(error)


def test_one_that_never_answers_is_given_up() -> None:
    error, seconds = failing(honest(bert=[Slow(60.0, signing(BERT))]), WANTED._replace(needed=3))
    assert error.failures == ((BERT, "custody.timeout"),)
    assert seconds == 3 * PATIENCE.call + 1.0 + 2.0


def test_it_ends_as_soon_as_there_cannot_be_enough() -> None:
    script = honest(bert=[refusing("custody.malformed")], carl=[refusing("custody.malformed")])
    error, seconds = failing({**script, VERA: [Slow(4.0, signing(VERA))]})
    assert seconds == 0.0
    assert (VERA, "custody.unanswered") in error.failures


def test_what_is_no_receipt_is_named() -> None:
    error, _ = failing(honest(bert=[lambda _: Found(CONTENT)]), WANTED._replace(needed=3))
    assert error.failures == ((BERT, "custody.answer_wrong"),)


def test_nobody_to_ask_is_said() -> None:
    async def work() -> None:
        with pytest.raises(ReceiptsMissing) as caught:
            await collect_receipts(WANTED, SEATS[:1], Custodians({}), lambda: 0.5, PATIENCE)
        assert "nobody else to ask" in str(caught.value)

    run(work())


def test_a_call_that_is_given_up_leaves_no_calls_behind() -> None:
    custodians = Custodians({member: [Slow(9.0, signing(member))] for member in (BERT, CARL, VERA)})

    async def work() -> None:
        collecting = asyncio.create_task(
            collect_receipts(WANTED, SEATS, custodians, lambda: 0.5, PATIENCE._replace(call=20.0))
        )
        await asyncio.sleep(1.0)
        collecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await collecting

    run(work())
    assert sorted(custodians.left) == [BERT, CARL, VERA]
    assert custodians.running == 0


def test_custodians_of_this_code_base_give_what_is_collected(tmp_path: Path) -> None:
    """Sender and custodians together: what was collected is what the stores hold."""
    stores = {member: CustodyStore(tmp_path / f"{member.hex()}.db") for member in (BERT, CARL, VERA)}

    def by_custodian(member: bytes) -> Act:
        custodian = Custodian(RootView(), stores[member], {member: NODES[member]})
        return lambda request: custodian.answer([Asked(ANNA, request)])[0]

    receipts, _ = collect(Custodians({member: [by_custodian(member)] for member in stores}))
    assert [receipt.place for receipt in receipts] == [1, 2, 3]
    for store in stores.values():
        assert store.get(CHANNEL, payload_hash(CONTENT)) == CONTENT
        store.close()
