"""A whole trade: requested, offered, accepted, settled, passed on, paid; and everything that must not happen twice."""

from modules.document.desk import Facts
from modules.financing.desk import DUE_MS, Desk, events_of
from traco.modules.financing.events import (
    DocumentFinanced,
    DocumentReserved,
    InvoiceDischarged,
    InvoicePaid,
    OfferMade,
    ReceivableIssued,
    ReceivableRedeemed,
)
from traco.modules.holding.state import InstrumentKind


def test_whoever_holds_the_receivable_when_the_buyer_pays_is_paid(desk: Desk) -> None:
    document = desk.invoice()
    assert desk.status(document) == "REGU"
    financing = desk.request(document)
    offer = desk.offer(financing)
    receipt = desk.accept(financing, offer)
    assert [
        len(events_of(receipt, kind)) for kind in (ReceivableIssued, DocumentReserved, DocumentFinanced)
    ] == [1, 1, 1]
    assert desk.status(document) == "DFIN"
    assert desk.money("seller bank") == [980, -980]
    assert desk.claims(document, "seller bank") == [0, 1_000]
    desk.do("bank", desk.transfer(document, "bank", "fund", 1_000))
    receipt = desk.pay(document, 1_000)
    account = desk.accounts["fund"]
    assert events_of(receipt, InvoicePaid) == [InvoicePaid(document, 1_000, 0, b"pay")]
    assert events_of(receipt, ReceivableRedeemed) == [ReceivableRedeemed(document, account, account, 1_000)]
    assert events_of(receipt, InvoiceDischarged) == [InvoiceDischarged(document)]
    assert desk.money("seller buyer bank fund") == [980, -1_000, -980, 1_000]
    assert desk.claims(document, "seller bank fund") == [0, 0, 0]
    assert desk.status(document) == "DFIN"


def test_the_receivable_is_issued_for_the_payable_amount_by_this_module_alone(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, face=600)
    receivable = desk.receivable(document)
    instrument = desk.holding.keeper.instrument(desk.state, receivable.instrument)
    assert instrument is not None
    assert (instrument.kind, instrument.operators, instrument.currency) == (
        InstrumentKind.RECEIVABLE,
        (),
        "EUR",
    )
    assert (receivable.total, receivable.financed, receivable.unpaid) == (1_000, 600, 1_000)
    assert (receivable.debtor, receivable.due_ms) == (desk.ids["buyer"], DUE_MS)
    assert desk.claims(document, "seller bank") == [400, 600]


def test_three_holders_are_paid_by_largest_remainder_and_all_of_it_in_the_end(desk: Desk) -> None:
    document = desk.invoice(1_000)
    desk.finance(document, face=1_000)
    desk.do(
        "bank", desk.transfer(document, "bank", "rival", 333), desk.transfer(document, "bank", "fund", 333)
    )
    desk.pay(document, 100)
    assert sorted(desk.claims(document, "bank rival fund")) == [300, 300, 300]
    desk.pay(document, 1)
    desk.pay(document, 1)
    assert sorted(desk.claims(document, "bank rival fund")) == [299, 299, 300]
    desk.pay(document, 898)
    assert desk.claims(document, "bank rival fund") == [0, 0, 0]
    assert desk.money("rival fund") == [333, 333]


def test_two_lenders_finance_parts_and_the_seller_keeps_the_rest(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, face=500, price=480)
    desk.finance(document, face=300, lender="rival", price=290)
    assert desk.claims(document, "seller bank rival") == [200, 500, 300]
    assert desk.refuse("seller", desk.ask(document, 201)) == "financing.amount_exceeded"
    desk.pay(document, 1_000)
    assert desk.money("seller bank rival buyer") == [770 + 200, 20, 10, -1_000]


def test_the_first_holder_is_also_paid_where_it_is_the_seller(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, face=500, price=490)
    desk.pay(document, 100)
    assert desk.money("seller bank") == [490 + 50, -490 + 50]


def test_the_debtor_may_finance_its_own_invoice_and_pays_itself(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, lender="buyer", price=970)
    receipt = desk.pay(document, 1_000)
    assert len(events_of(receipt, ReceivableRedeemed)) == 1
    assert desk.money("buyer seller") == [-970, 970]
    assert desk.receivable(document).is_discharged


def test_offers_of_two_lenders_stand_side_by_side_and_one_is_accepted(desk: Desk) -> None:
    document = desk.invoice()
    financing = desk.request(document)
    first, second = desk.offer(financing, "bank", 970), desk.offer(financing, "rival", 975)
    desk.accept(financing, second)
    assert desk.get_offer(financing, first).status == "open"
    assert desk.get_offer(financing, second).status == "settled"
    assert desk.refuse("seller", desk.acceptance(financing, first)) == "financing.not_open"
    assert desk.money("bank rival") == [0, -975]


def test_an_offer_says_what_comes_out_of_a_discount_rounded_down(desk: Desk) -> None:
    document = desk.invoice(999, facts=Facts(A="EUR 999"))
    financing = desk.request(document, 999)
    message = desk.bid(financing)
    (made,) = events_of(desk.do("bank", message), OfferMade)
    assert made.price == 999 - 19  # 19.98 of discount
    assert message.amount_at_risk() == (desk.cash, 980)
