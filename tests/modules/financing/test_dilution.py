"""Dilution: a credit note reduces what the debtor owes, and the seller bears it."""

from modules.document.desk import Facts
from modules.financing.desk import Desk, events_of
from traco.modules.document.messages import CancelDocument
from traco.modules.financing.events import InvoiceDiluted, InvoiceDischarged, PaymentSetAside
from traco.modules.holding.messages import ReleaseHold
from traco.modules.holding.state import CreditControl

NOWHERE = b"\xee" * 16


def test_the_sellers_own_part_goes_first(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, 600)
    note = desk.credit(document, 300)
    receipt = desk.do("seller", desk.dilution(document, note, 0))
    assert events_of(receipt, InvoiceDiluted) == [InvoiceDiluted(document, note, 300, 0, 700)]
    assert desk.claims(document, "seller bank") == [100, 600]
    assert desk.receivable(document).diluted == 300
    assert desk.refuse("buyer", desk.payment(document, 701)) == "financing.overpaid"


def test_the_seller_pays_the_holders_for_the_rest(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, 900)
    desk.do("bank", desk.transfer(document, "bank", "fund", 300))
    note = desk.credit(document, 400)
    answer = desk.ledger.submit(desk.dilution(document, note, 299), keys=[desk.founding.keys["seller"]])
    assert answer.failure is not None
    assert (answer.failure.code, answer.failure.fields) == (
        "financing.dilution_exceeded",
        (("needed", 300), ("allowed", 299)),
    )
    receipt = desk.do("seller", desk.dilution(document, note, 300))
    assert events_of(receipt, InvoiceDiluted) == [InvoiceDiluted(document, note, 400, 300, 600)]
    assert desk.claims(document, "seller bank fund") == [0, 400, 200]
    assert desk.money("seller bank fund buyer") == [882 - 300, -882 + 200, 100, 0]


def test_an_account_that_takes_credit_from_the_seller_only_is_paid_at_once(desk: Desk) -> None:
    document, bank = desk.invoice(), desk.accounts["bank"]
    desk.finance(document)
    guarded, instrument = (
        desk.open("seller", credit=CreditControl.OWNER),
        desk.receivable(document).instrument,
    )
    desk.call(lambda context: desk.holding.keeper.transfer(context, instrument, bank, guarded, 400, b""))
    receipt = desk.do("seller", desk.dilution(document, desk.credit(document, 500), 500))
    assert events_of(receipt, PaymentSetAside) == []
    assert desk.holding.keeper.holding(desk.state, desk.cash, guarded).available == 200


def test_a_credit_note_over_what_is_unpaid_discharges(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, 500)
    desk.pay(document, 800)
    note = desk.credit(document, 300)
    receipt = desk.do("seller", desk.dilution(document, note, 100))
    assert events_of(receipt, InvoiceDiluted) == [InvoiceDiluted(document, note, 200, 100, 0)]
    assert events_of(receipt, InvoiceDischarged) == [InvoiceDischarged(document)]
    assert desk.claims(document, "seller bank") == [0, 0]


def test_a_credit_note_counts_once(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, 500)
    message = desk.dilution(document, desk.credit(document, 100), 0)
    desk.do("seller", message)
    assert desk.refuse("seller", message) == "financing.note_applied"


def test_a_credit_note_from_before_the_financing_counts_no_second_time(desk: Desk) -> None:
    document = desk.invoice()
    note = desk.credit(document, 100)
    desk.finance(document, 500)
    assert desk.refuse("seller", desk.dilution(document, note, 0)) == "financing.note_applied"


def test_a_credit_note_from_before_a_reservation_that_ended_counts_for_the_next_receivable(
    desk: Desk,
) -> None:
    document = desk.invoice()
    note = desk.credit(document, 100)
    financing = desk.reserve(document, 500)
    deal = desk.get(financing).deal
    assert deal is not None
    desk.wait_until(desk.ledger.time_ms + 2 * 86_400_000)
    desk.do("seller", CancelDocument(desk.ids["seller"], note, "wrong"))
    desk.accept(financing, desk.offer(financing, "rival"))
    assert desk.receivable(document).total == 1_000


def test_what_is_no_credit_note_of_the_invoice_dilutes_nothing(desk: Desk) -> None:
    document, other = desk.invoice(), desk.invoice(facts=Facts(N="99", S="s", B="b"))
    desk.finance(document, 500)
    foreign = desk.credit(other, 100)
    cancelled = desk.credit(document, 100, "C2")
    desk.do("seller", CancelDocument(desk.ids["seller"], cancelled, "wrong"))
    for note in (NOWHERE, other, foreign, cancelled):
        assert desk.refuse("seller", desk.dilution(document, note, 0)) == "financing.note_not_applicable"


def test_nothing_is_diluted_once_nothing_is_unpaid(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, 500)
    desk.pay(document, 1_000)
    note = desk.credit(document, 100)
    assert desk.refuse("seller", desk.dilution(document, note, 0)) == "financing.nothing_payable"


def test_only_the_seller_dilutes_in_the_cash_agreed_and_from_its_account(desk: Desk) -> None:
    document = desk.invoice()
    assert desk.refuse("seller", desk.dilution(document, NOWHERE, 0)) == "financing.receivable_not_found"
    desk.finance(document, 500)
    note = desk.credit(document, 100)
    assert (
        desk.refuse("buyer", desk.dilution(document, note, 0, party=desk.ids["buyer"]))
        == "financing.not_seller"
    )
    assert desk.refuse("seller", desk.dilution(document, note, 0, cash=NOWHERE)) == "financing.terms_differ"
    foreign = desk.dilution(document, note, 0, account=desk.accounts["bank"])
    assert desk.refuse("seller", foreign) == "financing.account_not_controlled"


def test_a_dilution_puts_what_it_may_cost_at_risk(desk: Desk) -> None:
    assert desk.dilution(NOWHERE, NOWHERE, 5).amount_at_risk() == (desk.cash, 5)


def test_an_encumbered_part_of_the_seller_is_made_good_to_it_by_itself(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, 500)
    desk.encumber(document, "seller", 500)
    desk.do("seller", desk.dilution(document, desk.credit(document, 100), 100))
    assert desk.claims(document, "seller bank") == [500, 450]
    assert desk.collectable(document, "seller") == 50


def test_what_is_set_aside_for_the_seller_is_not_used_for_dilution(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, 500)
    hold = desk.encumber(document, "seller", 400)
    desk.pay(document, 800)
    assert (desk.claims(document, "seller bank"), desk.collectable(document, "seller")) == ([400, 100], 300)
    desk.do("rival", ReleaseHold(desk.ids["rival"], hold))
    desk.do("seller", desk.dilution(document, desk.credit(document, 150), 50))
    assert (desk.claims(document, "seller bank"), desk.collectable(document, "seller")) == ([300, 50], 300)
