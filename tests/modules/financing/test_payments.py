"""Payment: early, short, overdue, too much; who is paid where; and what waits to be collected."""

from typing import Any

import pytest

from modules.financing.desk import DAY_MS, DUE_DATE, DUE_MS, Desk, events_of
from traco.modules.financing.events import (
    InvoiceDischarged,
    InvoiceOverdue,
    InvoicePaid,
    PaymentSetAside,
    PayoutSet,
    ReceivableRedeemed,
)
from traco.modules.financing.messages import SetPayout
from traco.modules.holding.messages import CloseAccount, ExecuteHold, ReleaseHold, Transfer
from traco.modules.holding.state import AccountKind, CreditControl, DebitControl

NOWHERE = b"\xee" * 16


def split(desk: Desk, document: bytes, count: int) -> list[bytes]:
    """Pass one unit each to new accounts of the fund."""
    accounts = [desk.open("fund") for _ in range(count)]
    instrument = desk.receivable(document).instrument
    bank, sender = desk.ids["bank"], desk.accounts["bank"]
    desk.do("bank", *[Transfer(bank, instrument, sender, account, 1, b"") for account in accounts])
    return accounts


# what a payment is


def test_an_early_payment_discharges_and_nothing_becomes_overdue(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document)
    desk.pay(document, 1_000)
    desk.wait_until(DUE_MS)
    receivable = desk.receivable(document)
    assert (receivable.overdue, receivable.unpaid, receivable.is_discharged) == (False, 0, True)


def test_a_short_payment_redeems_that_much_and_the_rest_stays_owed(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document)
    receipt = desk.pay(document, 400)
    assert events_of(receipt, InvoicePaid) == [InvoicePaid(document, 400, 600, b"pay")]
    assert events_of(receipt, InvoiceDischarged) == []
    assert desk.claims(document, "bank") == [600]


def test_what_is_unpaid_when_the_due_date_is_over_is_overdue(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document)
    desk.pay(document, 999)
    desk.wait_until(DUE_MS - 1)
    assert not desk.receivable(document).overdue
    desk.wait_until(DUE_MS)
    assert desk.receivable(document).overdue
    leaves = [
        desk.ledger.registry.receipt.decode(leaf.receipt) for leaf in desk.ledger.store.blocks[-1].leaves
    ]
    assert [event for leaf in leaves for event in leaf.events if isinstance(event, InvoiceOverdue)] == [
        InvoiceOverdue(document, 1)
    ]


def test_an_overdue_invoice_is_paid_like_any_other(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document)
    desk.wait_until(DUE_MS)
    desk.pay(document, 1_000)
    assert desk.receivable(document).is_discharged


def test_an_invoice_financed_after_its_due_date_is_overdue_at_once(desk: Desk) -> None:
    document = desk.invoice(due_date="1969-01-01")
    desk.finance(document)
    desk.wait_until(desk.ledger.time_ms + 1)
    assert desk.receivable(document).overdue


def test_an_invoice_without_a_due_date_is_never_overdue(desk: Desk) -> None:
    document = desk.invoice(due_date=None)
    desk.finance(document)
    assert desk.receivable(document).due_ms is None


def test_the_due_date_counts_in_the_zone_of_the_network() -> None:
    desk = Desk(zone_minutes=8 * 60)
    document = desk.invoice(due_date=DUE_DATE)
    desk.finance(document)
    assert desk.receivable(document).due_ms == DUE_MS - DAY_MS // 3


def test_a_second_financing_does_not_move_the_due_date(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, 100)
    desk.finance(document, 100)
    assert desk.receivable(document).due_ms == DUE_MS


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": 1_001}, "financing.overpaid"),
        ({"cash": NOWHERE}, "financing.terms_differ"),
        ({"account": NOWHERE}, "financing.account_not_controlled"),
        ({"document": NOWHERE}, "financing.receivable_not_found"),
    ],
)
def test_a_payment_is_refused(desk: Desk, changes: dict[str, Any], code: str) -> None:
    document = desk.invoice()
    desk.finance(document)
    given = {"document": document, "amount": 1_000, **changes}
    assert desk.refuse("buyer", desk.payment(**given)) == code


def test_a_payment_puts_its_amount_at_risk(desk: Desk) -> None:
    assert desk.payment(NOWHERE, 7).amount_at_risk() == (desk.cash, 7)


def test_only_the_debtor_pays(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document)
    message = desk.payment(document, 1, party=desk.ids["rival"], account=desk.accounts["rival"])
    assert desk.refuse("rival", message) == "financing.not_debtor"


def test_the_debtor_does_not_pay_out_of_foreign_accounts(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document)
    message = desk.payment(document, 1, account=desk.accounts["bank"])
    assert desk.refuse("buyer", message) == "financing.account_not_controlled"


def test_a_debtor_short_of_cash_pays_nobody(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, 500)
    poor = desk.open("buyer")
    desk.fund(poor, 999)
    assert desk.refuse("buyer", desk.payment(document, 1_000, account=poor)) == "holding.insufficient"
    assert desk.money("bank") == [-490]


def test_a_discharged_invoice_takes_no_more(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document)
    desk.pay(document, 1_000)
    assert desk.refuse("buyer", desk.payment(document, 1)) == "financing.overpaid"


# where holders are paid


def test_a_holder_says_where_it_is_paid(desk: Desk) -> None:
    document, till = desk.invoice(), desk.open("bank")
    desk.finance(document)
    receipt = desk.do("bank", desk.payout("bank", till))
    assert events_of(receipt, PayoutSet) == [PayoutSet(desk.accounts["bank"], till)]
    desk.pay(document, 400)
    assert desk.holding.keeper.holding(desk.state, desk.cash, till).available == 400
    desk.do("bank", desk.payout("bank", None))
    desk.pay(document, 600)
    assert desk.money("bank") == [-980 + 600]


def test_a_payout_is_set_by_who_controls_both_accounts(desk: Desk) -> None:
    closed = desk.open("bank", "fund", CreditControl.SERVICER, DebitControl.SERVICER, AccountKind.CLIENT)
    not_controlled = "financing.account_not_controlled"
    assert desk.refuse("bank", desk.payout("bank", closed)) == not_controlled
    assert desk.refuse("bank", desk.payout("bank", desk.accounts["bank"], closed)) == not_controlled
    assert desk.refuse("rival", SetPayout(desk.ids["rival"], desk.accounts["bank"], None)) == not_controlled
    assert desk.refuse("bank", desk.payout("bank", NOWHERE)) == "holding.account_unknown"
    desk.do("fund", desk.payout("fund", desk.accounts["bank"], closed))


def test_what_was_said_before_the_financing_stands(desk: Desk) -> None:
    document, till, apart = desk.invoice(), desk.open("bank"), desk.open("bank")
    desk.do("bank", desk.payout("bank", till, apart))
    desk.finance(document, receivable_account=apart)
    desk.pay(document, 1_000)
    assert desk.holding.keeper.holding(desk.state, desk.cash, till).available == 1_000


def test_a_holder_whose_payout_account_is_closed_collects(desk: Desk) -> None:
    document, till = desk.invoice(), desk.open("bank")
    desk.finance(document)
    desk.do("bank", desk.payout("bank", till), CloseAccount(desk.ids["bank"], till))
    receipt = desk.pay(document, 1_000)
    account = desk.accounts["bank"]
    assert events_of(receipt, PaymentSetAside) == [PaymentSetAside(document, account, 1_000)]
    assert events_of(receipt, InvoiceDischarged) == [InvoiceDischarged(document)]
    assert desk.receivable(document).uncollected == 1_000
    receipt = desk.do("bank", desk.collection(document, "bank"))
    assert events_of(receipt, ReceivableRedeemed) == [ReceivableRedeemed(document, account, account, 1_000)]
    assert desk.money("bank buyer") == [20, -1_000]
    assert (desk.receivable(document).uncollected, desk.claims(document, "bank")) == (0, [0])


def test_an_account_that_takes_no_credit_from_the_debtor_is_paid_by_collection(desk: Desk) -> None:
    document = desk.invoice()
    apart = desk.open("bank", credit=CreditControl.OWNER)
    desk.finance(document, cash_account=desk.accounts["bank"], receivable_account=apart)
    desk.do("bank", SetPayout(desk.ids["bank"], apart, None))
    receipt = desk.pay(document, 1_000)
    assert events_of(receipt, PaymentSetAside) == [PaymentSetAside(document, apart, 1_000)]
    desk.do("bank", desk.collection(document, "bank", account=apart, source=apart))
    assert desk.money("bank") == [20]


def test_an_account_that_takes_credit_from_the_debtor_only_is_paid_at_once(desk: Desk) -> None:
    document, bank = desk.invoice(), desk.accounts["bank"]
    desk.finance(document)
    guarded, instrument = desk.open("buyer", credit=CreditControl.OWNER), desk.receivable(document).instrument
    desk.call(lambda context: desk.holding.keeper.transfer(context, instrument, bank, guarded, 400, b""))
    assert events_of(desk.pay(document, 1_000), PaymentSetAside) == []
    assert desk.holding.keeper.holding(desk.state, desk.cash, guarded).available == 400


def test_a_holder_barred_from_the_cash_does_not_stop_the_others(desk: Desk) -> None:
    cash = desk.create_cash("REG", "EUR", transfer_check="desk.check")
    for name in ("buyer", "bank"):
        desk.fund(desk.accounts[name], 1_000, cash)
    document = desk.invoice()
    financing = desk.request(document, 1_000, cash=cash)
    desk.accept(financing, desk.offer(financing, price=900), cash=cash)
    desk.do("bank", desk.transfer(document, "bank", "fund", 400))
    desk.desk.barred.append(desk.accounts["fund"])
    desk.pay(document, 500, cash=cash)
    assert desk.claims(document, "bank fund") == [300, 400]
    assert desk.collectable(document, "fund") == 200
    collection = desk.collection(document, "fund")
    assert desk.refuse("fund", collection) == "holding.transfer_refused"
    desk.desk.barred.clear()
    desk.do("fund", collection)
    assert desk.claims(document, "bank fund") == [300, 200]


# what is encumbered


def test_an_encumbered_receivable_is_paid_for_and_collected_when_it_is_free(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document)
    hold = desk.encumber(document, "bank", 700)
    receipt = desk.pay(document, 500)
    account = desk.accounts["bank"]
    assert events_of(receipt, ReceivableRedeemed) == [ReceivableRedeemed(document, account, account, 300)]
    assert events_of(receipt, PaymentSetAside) == [PaymentSetAside(document, account, 200)]
    assert (desk.receivable(document).unpaid, desk.receivable(document).uncollected) == (500, 200)
    assert desk.refuse("bank", desk.collection(document, "bank")) == "financing.nothing_to_collect"
    desk.do("rival", ReleaseHold(desk.ids["rival"], hold))
    desk.do("bank", desk.collection(document, "bank"))
    assert desk.claims(document, "bank") == [500]
    assert desk.money("bank buyer") == [-980 + 500, -500]


def test_what_is_set_aside_does_not_count_again(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, 500)
    desk.encumber(document, "bank", 500)
    desk.pay(document, 500)
    assert (desk.claims(document, "seller bank"), desk.collectable(document, "bank")) == ([250, 500], 250)
    desk.pay(document, 250)
    assert (desk.claims(document, "seller bank"), desk.collectable(document, "bank")) == ([125, 500], 375)


def test_what_was_set_aside_follows_a_receivable_that_leaves(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, 500)
    hold = desk.encumber(document, "bank", 500)
    desk.pay(document, 500)
    assert desk.collectable(document, "rival", "bank") == 0
    message = desk.collection(document, "rival", source=desk.accounts["bank"])
    instrument = desk.receivable(document).instrument
    rival, account = desk.ids["rival"], desk.accounts["rival"]
    desk.do("rival", ExecuteHold(rival, hold, instrument, account, 300, False, b""))
    assert [desk.collectable(document, name, "bank") for name in ("rival", "bank")] == [50, 250]
    desk.do("rival", message)
    assert desk.money("rival") == [50]
    desk.do("rival", ExecuteHold(rival, hold, instrument, account, 200, False, b""))
    desk.do("rival", message)
    assert (desk.money("rival"), desk.claims(document, "bank rival")) == ([250], [0, 250])
    assert desk.refuse("rival", message) == "financing.nothing_to_collect"


def test_what_was_left_behind_is_divided_again_by_the_next_payment(desk: Desk) -> None:
    """400 of 1000 paid to half and half; the bank's 200 stay behind when its 500 leave: 600 are divided by 300 and 500."""
    document = desk.invoice()
    desk.finance(document, 500)
    hold = desk.encumber(document, "bank", 500)
    desk.pay(document, 400)
    rival, instrument = desk.ids["rival"], desk.receivable(document).instrument
    desk.do("rival", ExecuteHold(rival, hold, instrument, desk.accounts["fund"], 500, False, b""))
    assert desk.collectable(document, "fund", "bank") == 200
    desk.pay(document, 200)
    rest = {name: desk.collectable(document, name) for name in ("seller", "bank", "fund")}
    weights = {name: desk.claims(document, name)[0] - rest[name] for name in rest}
    assert weights == {"seller": 150, "bank": 0, "fund": 250}
    assert (sum(weights.values()), rest["bank"]) == (desk.receivable(document).unpaid, 0)
    assert desk.collectable(document, "fund", "bank") == 0
    for name in ("seller", "fund"):
        if rest[name]:
            desk.do(name, desk.collection(document, name))
    assert (desk.money("seller fund"), desk.claims(document, "seller fund")) == ([490 + 350, 250], [150, 250])


def test_a_unit_more_than_what_is_set_aside_leaves_nothing_behind(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, 500)
    hold = desk.encumber(document, "bank", 500)
    desk.pay(document, 400)
    rival, instrument = desk.ids["rival"], desk.receivable(document).instrument
    desk.do("rival", ExecuteHold(rival, hold, instrument, desk.accounts["fund"], 300, False, b""))
    desk.pay(document, 200)
    assert [desk.collectable(document, name) for name in ("bank", "fund")] == [200, 0]
    assert desk.claims(document, "seller bank fund") == [200, 200, 200]


def test_once_nothing_is_unpaid_every_holder_collects_for_what_it_has(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document)
    hold = desk.encumber(document, "bank", 600)
    desk.pay(document, 1_000)
    rival, instrument = desk.ids["rival"], desk.receivable(document).instrument
    desk.do("rival", ExecuteHold(rival, hold, instrument, desk.accounts["rival"], 200, True, b""))
    desk.do("rival", desk.collection(document, "rival"))
    desk.do("bank", desk.collection(document, "bank"))
    assert desk.money("bank rival") == [-980 + 800, 200]
    assert desk.receivable(document).uncollected == 0


def test_several_payments_are_collected_at_once_and_part_of_one(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document)
    hold = desk.encumber(document, "bank", 1_000)
    for amount in (100, 200, 300):
        desk.pay(document, amount)
    assert desk.collectable(document, "bank") == 600
    rival, instrument = desk.ids["rival"], desk.receivable(document).instrument
    desk.do("rival", ExecuteHold(rival, hold, instrument, desk.accounts["fund"], 850, False, b""))
    desk.do("rival", ReleaseHold(rival, hold))
    desk.do("bank", desk.collection(document, "bank"))
    assert (desk.money("bank"), desk.claims(document, "bank")) == ([-980 + 150], [0])
    desk.do("fund", desk.collection(document, "fund", source=desk.accounts["bank"]))
    assert (desk.money("fund"), desk.claims(document, "fund")) == ([450], [400])


def test_a_collection_draws_on_sixteen_payments_at_most(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document)
    hold = desk.encumber(document, "bank", 1_000)
    for _ in range(17):
        desk.pay(document, 1)
    desk.do("rival", ReleaseHold(desk.ids["rival"], hold))
    desk.do("bank", desk.collection(document, "bank"))
    assert desk.claims(document, "bank") == [984]
    desk.do("bank", desk.collection(document, "bank"))
    assert desk.claims(document, "bank") == [983]


def test_only_the_holder_collects_into_an_account_it_may_credit(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document)
    desk.encumber(document, "bank", 1_000)
    desk.pay(document, 500)
    foreign = desk.collection(document, "rival", account=desk.accounts["bank"])
    assert desk.refuse("rival", foreign) == "financing.account_not_controlled"
    guarded = desk.open("fund", credit=CreditControl.OWNER)
    message = desk.collection(document, "bank", cash_account=guarded)
    assert desk.refuse("bank", message) == "financing.account_not_controlled"
    unknown = desk.collection(NOWHERE, "bank")
    assert desk.refuse("bank", unknown) == "financing.receivable_not_found"


# many holders


def test_a_short_payment_is_divided_among_as_many_holders_as_the_limit() -> None:
    desk = Desk(max_holders=4)
    document = desk.invoice()
    desk.finance(document)
    split(desk, document, 3)
    desk.pay(document, 500)
    assert desk.holding.keeper.outstanding(desk.state, desk.receivable(document).instrument) == 500
    assert desk.ledger.check_invariants() == []


def test_with_more_holders_only_the_whole_is_paid_and_each_collects() -> None:
    desk = Desk(max_holders=3)
    document = desk.invoice()
    desk.finance(document)
    accounts = split(desk, document, 3)
    assert desk.refuse("buyer", desk.payment(document, 999)) == "financing.too_many_holders"
    receipt = desk.pay(document, 1_000)
    assert events_of(receipt, PaymentSetAside) == [PaymentSetAside(document, None, 1_000)]
    assert desk.receivable(document).is_discharged
    for account in accounts:
        desk.do("fund", desk.collection(document, "fund", account=account, source=account))
    desk.do("bank", desk.collection(document, "bank"))
    assert desk.money("bank fund buyer") == [17, 3, -1_000]
    assert desk.receivable(document).uncollected == 0
    assert desk.ledger.check_invariants() == []
