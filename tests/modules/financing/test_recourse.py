"""Recourse: who may demand what and when, buying back, default."""

from typing import Any

import pytest

from modules.financing.desk import DAY_MS, DUE_MS, Desk, events_of
from traco.kernel.codec import MAX_TIME_MS
from traco.kernel.module import Context
from traco.modules.financing.events import (
    RecourseDefaulted,
    RecourseDemanded,
    RecourseLapsed,
    RecourseSettled,
)
from traco.modules.financing.parameters import FinancingParameters
from traco.modules.financing.state import Recourse
from traco.modules.holding.events import HoldEnded, HoldPlaced
from traco.modules.holding.messages import CloseAccount, ReleaseHold, Transfer

FROM_MS = DUE_MS + FinancingParameters().recourse_days * DAY_MS
RECOURSE_MS = FinancingParameters().recourse_ms
NOWHERE = b"\xee" * 16


def overdue(desk: Desk, face: int = 1_000, **fields: Any) -> tuple[bytes, bytes]:
    """An invoice financed with recourse, and overdue for long enough; its document and financing."""
    document = desk.invoice()
    financing = desk.finance(document, face, **{"recourse": True, **fields})
    desk.wait_until(FROM_MS)
    return document, financing


def test_the_seller_buys_back_what_the_lender_demands(desk: Desk) -> None:
    document, financing = overdue(desk)
    receipt = desk.do("bank", desk.demand(financing, 1_000))
    due_ms = desk.ledger.time_ms + RECOURSE_MS
    assert events_of(receipt, RecourseDemanded) == [RecourseDemanded(financing, 1_000, due_ms)]
    assert [type(event) for event in receipt.events] == [HoldPlaced, RecourseDemanded]
    assert desk.financing.keeper.recourses.get(desk.state, financing) == Recourse(1_000, due_ms, False)
    desk.fund(desk.accounts["seller"], 20)
    receipt = desk.do("seller", desk.buy_back(financing, 1_000))
    assert events_of(receipt, RecourseSettled) == [RecourseSettled(financing, 1_000)]
    assert desk.money("seller bank") == [0, 20]
    assert desk.claims(document, "seller bank") == [1_000, 0]
    assert desk.get(financing).recovered == 1_000
    desk.wait_until(due_ms)
    assert desk.ledger.store.blocks[-1].leaves == ()
    desk.pay(document, 1_000)
    assert desk.money("seller") == [1_000]


def test_recourse_begins_when_it_was_overdue_for_the_days(desk: Desk) -> None:
    financing = desk.finance(desk.invoice(), recourse=True)
    desk.wait_until(FROM_MS - 1_001)
    assert desk.refuse("bank", desk.demand(financing, 1)) == "financing.recourse_early"
    on_time = desk.ledger.transaction([desk.demand(financing, 1)], desk.founding.keys["bank"])
    (answer,) = desk.ledger.run_block([on_time], after_ms=1)
    assert (desk.ledger.time_ms, answer.failure) == (FROM_MS, None)


def test_an_invoice_without_a_due_date_has_no_recourse(desk: Desk) -> None:
    financing = desk.finance(desk.invoice(due_date=None), recourse=True)
    desk.wait_until(FROM_MS)
    answer = desk.ledger.submit(desk.demand(financing, 1), keys=[desk.founding.keys["bank"]])
    assert answer.failure is not None
    assert (answer.failure.code, answer.failure.fields) == (
        "financing.recourse_early", (("from_ms", MAX_TIME_MS),),
    )  # fmt: skip


def test_a_paid_invoice_has_no_recourse(desk: Desk) -> None:
    document = desk.invoice()
    financing = desk.finance(document, recourse=True)
    desk.pay(document, 1_000)
    desk.wait_until(FROM_MS)
    assert desk.refuse("bank", desk.demand(financing, 1)) == "financing.recourse_early"


def test_without_recourse_there_is_none(desk: Desk) -> None:
    _, financing = overdue(desk, recourse=False)
    assert desk.refuse("bank", desk.demand(financing, 1)) == "financing.without_recourse"


def test_only_the_lender_demands(desk: Desk) -> None:
    document, financing = overdue(desk)
    desk.do("bank", desk.transfer(document, "bank", "fund", 400))
    assert desk.refuse("fund", desk.demand(financing, 1, "fund")) == "financing.not_lender"
    assert desk.refuse("bank", desk.demand(NOWHERE, 1)) == "financing.not_found"


def test_a_demand_is_for_what_the_lender_financed_and_still_has(desk: Desk) -> None:
    document, financing = overdue(desk, 600)
    assert desk.refuse("bank", desk.demand(financing, 601)) == "financing.recourse_exceeded"
    desk.do("bank", desk.transfer(document, "bank", "fund", 100))
    assert desk.refuse("bank", desk.demand(financing, 501)) == "financing.recourse_exceeded"
    desk.do("bank", desk.demand(financing, 500))


def test_a_demand_is_for_no_more_than_the_face_even_if_the_lender_has_more(desk: Desk) -> None:
    document, financing = overdue(desk, 600)
    desk.do("seller", desk.transfer(document, "seller", "bank", 400))
    assert desk.refuse("bank", desk.demand(financing, 601)) == "financing.recourse_exceeded"
    desk.do("bank", desk.demand(financing, 600))


def test_what_was_bought_back_is_not_demanded_again_even_if_the_lender_has_more(desk: Desk) -> None:
    document, financing = overdue(desk, 600)
    desk.do("seller", desk.transfer(document, "seller", "bank", 400))
    desk.do("bank", desk.demand(financing, 200))
    desk.do("seller", desk.buy_back(financing, 200))
    assert desk.refuse("bank", desk.demand(financing, 401)) == "financing.recourse_exceeded"
    desk.do("bank", desk.demand(financing, 400))


def test_what_is_set_aside_for_the_lender_is_not_demanded(desk: Desk) -> None:
    document = desk.invoice()
    financing = desk.finance(document, recourse=True)
    hold = desk.encumber(document, "bank", 1_000)
    desk.pay(document, 300)
    desk.wait_until(FROM_MS)
    assert desk.refuse("bank", desk.demand(financing, 1)) == "financing.recourse_exceeded"
    desk.do("rival", ReleaseHold(desk.ids["rival"], hold))
    assert desk.refuse("bank", desk.demand(financing, 701)) == "financing.recourse_exceeded"
    desk.do("bank", desk.demand(financing, 700))


def test_one_demand_is_open_at_a_time_and_the_rest_can_be_demanded_later(desk: Desk) -> None:
    _, financing = overdue(desk)
    desk.do("bank", desk.demand(financing, 400))
    assert desk.refuse("bank", desk.demand(financing, 100)) == "financing.recourse_open"
    desk.do("seller", desk.buy_back(financing, 400))
    assert desk.refuse("bank", desk.demand(financing, 601)) == "financing.recourse_exceeded"
    desk.do("bank", desk.demand(financing, 600))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": 399}, "recourse_amount"),
        ({"amount": 401}, "recourse_amount"),
        ({"cash": NOWHERE}, "terms_differ"),
        ({"cash_account": NOWHERE}, "account_not_controlled"),
    ],
)
def test_buying_back_is_refused(desk: Desk, changes: dict[str, Any], code: str) -> None:
    _, financing = overdue(desk)
    desk.do("bank", desk.demand(financing, 400))
    given = {"amount": 400, **changes}
    assert desk.refuse("seller", desk.buy_back(financing, **given)) == f"financing.{code}"


def test_only_the_seller_buys_back_into_its_own_account_and_what_was_demanded(desk: Desk) -> None:
    _, financing = overdue(desk)
    assert desk.refuse("seller", desk.buy_back(financing, 400)) == "financing.recourse_none"
    desk.do("bank", desk.demand(financing, 400))
    assert (
        desk.refuse("rival", desk.buy_back(financing, 400, party=desk.ids["rival"])) == "financing.not_seller"
    )
    foreign = desk.buy_back(financing, 400, receivable_account=desk.accounts["rival"])
    assert desk.refuse("seller", foreign) == "financing.account_foreign"
    assert desk.buy_back(financing, 400).amount_at_risk() == (desk.cash, 400)


def test_a_seller_without_the_cash_gets_nothing_back(desk: Desk) -> None:
    document, financing = overdue(desk)
    desk.do("bank", desk.demand(financing, 1_000))
    assert desk.refuse("seller", desk.buy_back(financing, 1_000)) == "holding.insufficient"
    assert desk.claims(document, "seller bank") == [0, 1_000]


def test_a_demand_that_is_not_met_in_time_is_a_default_and_can_be_made_good(desk: Desk) -> None:
    document, financing = overdue(desk)
    desk.do("bank", desk.demand(financing, 900))
    due_ms = desk.ledger.time_ms + RECOURSE_MS
    desk.wait_until(due_ms - 1)
    assert desk.financing.keeper.recourses.get(desk.state, financing) == Recourse(900, due_ms, False)
    desk.wait_until(due_ms)
    assert desk.financing.keeper.recourses.get(desk.state, financing) == Recourse(900, due_ms, True)
    leaf = desk.ledger.store.blocks[-1].leaves[0]
    events = desk.ledger.registry.receipt.decode(leaf.receipt).events
    assert [type(event) for event in events] == [HoldEnded, RecourseDefaulted]
    assert events[-1] == RecourseDefaulted(financing, 900)
    desk.do("seller", desk.buy_back(financing, 900))
    assert desk.claims(document, "seller bank") == [900, 100]


def test_a_payment_by_the_debtor_reduces_a_demand(desk: Desk) -> None:
    document, financing = overdue(desk)
    desk.do("bank", desk.demand(financing, 1_000))
    desk.pay(document, 700)
    assert desk.refuse("seller", desk.buy_back(financing, 1_000)) == "financing.recourse_amount"
    desk.do("seller", desk.buy_back(financing, 300))
    assert desk.get(financing).recovered == 300


def test_a_default_is_of_what_the_lender_still_has(desk: Desk) -> None:
    document, financing = overdue(desk)
    desk.do("bank", desk.demand(financing, 1_000))
    due_ms = desk.ledger.time_ms + RECOURSE_MS
    desk.pay(document, 700)
    desk.wait_until(due_ms)
    assert desk.financing.keeper.recourses.get(desk.state, financing) == Recourse(300, due_ms, True)


def test_a_demand_lapses_where_the_lender_has_nothing_left(desk: Desk) -> None:
    document, financing = overdue(desk)
    desk.do("bank", desk.demand(financing, 1_000))
    receipt = desk.pay(document, 1_000)
    assert events_of(receipt, RecourseLapsed) == [RecourseLapsed(financing)]
    assert desk.financing.keeper.recourses.get(desk.state, financing) is None
    assert (desk.money("bank"), desk.claims(document, "bank")) == ([20], [0])
    desk.wait_until(desk.ledger.time_ms + RECOURSE_MS)
    assert desk.ledger.store.blocks[-1].leaves == ()


def test_what_is_demanded_stays_with_the_lender_until_the_default(desk: Desk) -> None:
    document, financing = overdue(desk)
    desk.do("bank", desk.demand(financing, 900))
    due_ms = desk.ledger.time_ms + RECOURSE_MS
    assert desk.refuse("bank", desk.transfer(document, "bank", "rival", 101)) == "holding.insufficient"
    desk.do("bank", desk.transfer(document, "bank", "rival", 100))
    desk.wait_until(due_ms)
    desk.do("bank", desk.transfer(document, "bank", "rival", 300))
    assert desk.refuse("seller", desk.buy_back(financing, 900)) == "financing.recourse_amount"
    desk.do("seller", desk.buy_back(financing, 600))
    assert desk.claims(document, "seller bank rival") == [600, 0, 400]


def test_one_account_has_one_demand_at_a_time_for_an_invoice(desk: Desk) -> None:
    document = desk.invoice()
    financings = [desk.finance(document, 500, recourse=True) for _ in range(2)]
    desk.wait_until(FROM_MS)
    first, second = financings
    desk.do("bank", desk.demand(first, 500))
    answer = desk.ledger.submit(desk.demand(second, 100), keys=[desk.founding.keys["bank"]])
    assert answer.failure is not None
    assert (answer.failure.code, answer.failure.fields) == (
        "financing.recourse_open", (("financing", first),),
    )  # fmt: skip
    desk.do("seller", desk.buy_back(first, 500))
    desk.do("bank", desk.demand(second, 500))


def test_a_default_leaves_the_account_free_for_another_demand(desk: Desk) -> None:
    document = desk.invoice()
    first, second = [desk.finance(document, 500, recourse=True) for _ in range(2)]
    desk.wait_until(FROM_MS)
    desk.do("bank", desk.demand(first, 500))
    desk.wait_until(desk.ledger.time_ms + RECOURSE_MS)
    desk.do("bank", desk.demand(second, 500))
    desk.fund(desk.accounts["seller"], 20)
    desk.do("seller", desk.buy_back(first, 500))
    desk.do("seller", desk.buy_back(second, 500))
    assert desk.claims(document, "seller bank") == [1_000, 0]


def test_a_payment_that_leaves_enough_does_not_reduce_a_demand(desk: Desk) -> None:
    document, financing = overdue(desk)
    desk.do("bank", desk.demand(financing, 400))
    desk.pay(document, 600)
    recourse = desk.financing.keeper.recourses.get(desk.state, financing)
    assert recourse is not None
    assert recourse.amount == 400
    desk.pay(document, 1)
    desk.do("seller", desk.buy_back(financing, 399))


def test_what_cannot_be_paid_out_to_the_lender_reduces_a_demand_too(desk: Desk) -> None:
    document, till = desk.invoice(), desk.open("bank")
    financing = desk.finance(document, recourse=True)
    desk.do("bank", desk.payout("bank", till), CloseAccount(desk.ids["bank"], till))
    desk.wait_until(FROM_MS)
    desk.do("bank", desk.demand(financing, 1_000))
    desk.pay(document, 300)
    assert desk.refuse("seller", desk.buy_back(financing, 1_000)) == "financing.recourse_amount"
    desk.do("bank", desk.collection(document, "bank"))
    assert desk.claims(document, "bank") == [700]
    desk.do("seller", desk.buy_back(financing, 700))


def test_a_demand_lapses_at_its_end_where_many_holders_were_paid_in_full() -> None:
    desk = Desk(max_holders=2)
    document, financing = overdue(desk)
    accounts = [desk.open("fund") for _ in range(2)]
    instrument, bank = desk.receivable(document).instrument, desk.ids["bank"]
    desk.do(
        "bank", *[Transfer(bank, instrument, desk.accounts["bank"], account, 1, b"") for account in accounts]
    )
    desk.do("bank", desk.demand(financing, 998))
    desk.pay(document, 1_000)
    assert desk.refuse("bank", desk.collection(document, "bank")) == "financing.nothing_to_collect"
    desk.wait_until(desk.ledger.time_ms + RECOURSE_MS)
    assert desk.financing.keeper.recourses.get(desk.state, financing) is None
    assert desk.refuse("bank", desk.demand(financing, 1)) == "financing.recourse_exceeded"
    desk.do("bank", desk.collection(document, "bank"))
    assert desk.claims(document, "bank") == [0]
    assert desk.ledger.check_invariants() == []


def test_only_a_suspended_demand_is_resumed(desk: Desk) -> None:
    document, _ = overdue(desk)

    def resume(context: Context) -> None:
        receivable = desk.receivable(document)
        desk.financing.keeper.recourses.resume(context, document, desk.accounts["bank"], receivable)

    assert desk.faults(resume)


def test_recourse_needs_a_settled_financing(desk: Desk) -> None:
    financing = desk.request(desk.invoice())
    assert desk.refuse("bank", desk.demand(financing, 1)) == "financing.not_open"
    assert desk.refuse("seller", desk.buy_back(financing, 1)) == "financing.not_open"
