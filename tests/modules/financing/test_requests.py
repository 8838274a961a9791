"""Requests: what they record, each reason to refuse them, cancelling and expiry."""

import pytest

from modules.document.desk import Facts
from modules.financing.desk import DAY_MS, TERMS, Desk, events_of
from support.ledger import Key
from traco.modules.document.messages import (
    CancelDocument,
    ConfirmDocument,
    DisputeDocument,
    NamedParty,
    Payable,
    PublicIdentifier,
    WithdrawDispute,
)
from traco.modules.financing.events import FinancingCancelled, FinancingExpired, FinancingRequested
from traco.modules.financing.messages import CancelFinancing
from traco.modules.financing.parameters import FinancingParameters
from traco.modules.financing.state import Financing
from traco.modules.party.messages import DecideStatus

NOWHERE = b"\xee" * 16


def cancel(desk: Desk, financing: bytes, name: str = "seller") -> CancelFinancing:
    return CancelFinancing(desk.ids[name], financing, "changed_mind")


def test_a_request_is_recorded_and_said(desk: Desk) -> None:
    document = desk.invoice()
    message = desk.ask(document, 700)
    (event,) = events_of(desk.do("seller", message), FinancingRequested)
    seller = desk.ids["seller"]
    assert event == FinancingRequested(
        event.financing, document, seller, 700, desk.cash, TERMS, message.expires_ms
    )
    assert desk.get(event.financing) == Financing(
        document, seller, 700, desk.cash, TERMS, message.expires_ms, "requested", None, 0
    )
    assert desk.status(document) == "REGU"


def test_a_salt_serves_for_one_request(desk: Desk) -> None:
    message = desk.ask(desk.invoice())
    desk.do("seller", message)
    assert desk.refuse("seller", message) == "financing.exists"


def test_only_the_seller_requests(desk: Desk) -> None:
    document = desk.invoice()
    for name in ("buyer", "bank"):
        assert desk.refuse(name, desk.ask(document, party=desk.ids[name])) == "financing.not_seller"


def test_an_unknown_document_cannot_be_financed(desk: Desk) -> None:
    assert desk.refuse("seller", desk.ask(NOWHERE)) == "document.not_found"


def test_a_credit_note_cannot_be_financed(desk: Desk) -> None:
    note = desk.credit(desk.invoice(), 100)
    assert desk.refuse("seller", desk.ask(note, 100)) == "document.kind_not_financeable"


def test_a_disputed_invoice_cannot_be_financed_until_the_dispute_is_withdrawn(desk: Desk) -> None:
    document = desk.invoice()
    desk.do("buyer", DisputeDocument(desk.ids["buyer"], document, "damaged"))
    assert desk.refuse("seller", desk.ask(document)) == "document.disputed"
    desk.do("buyer", WithdrawDispute(desk.ids["buyer"], document))
    desk.request(document)


def test_a_partly_financed_invoice_that_is_disputed_is_not_financed_further(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, 500)
    desk.do("buyer", DisputeDocument(desk.ids["buyer"], document, "damaged"))
    assert desk.refuse("seller", desk.ask(document, 100)) == "financing.disputed"


def test_a_cancelled_invoice_cannot_be_financed(desk: Desk) -> None:
    document = desk.invoice()
    desk.do("seller", CancelDocument(desk.ids["seller"], document, "wrong"))
    assert desk.refuse("seller", desk.ask(document)) == "document.not_registered"


def test_an_undisclosed_amount_cannot_be_financed(desk: Desk) -> None:
    assert desk.refuse("seller", desk.ask(desk.register(amount=None))) == "document.amount_undisclosed"


@pytest.mark.parametrize("role", ["seller", "buyer"])
def test_a_party_known_by_an_identifier_only_must_be_named_first(desk: Desk, role: str) -> None:
    other = {"seller": "buyer", "buyer": "seller"}[role]
    roles = (
        NamedParty(role, None, PublicIdentifier("0088", "4000001000005")), NamedParty(other, desk.ids[other]),
    )  # fmt: skip
    document = desk.register(other, roles=roles)
    failure = desk.ledger.submit(desk.ask(document), keys=[Key("seller")]).failure
    assert failure is not None
    assert (failure.code, dict(failure.fields)["role"]) == ("financing.party_missing", role)


def test_a_suspended_buyer_is_no_debtor_of_a_new_financing(desk: Desk) -> None:
    document = desk.invoice()
    desk.do("court", DecideStatus((desk.ids["court"],), desk.ids["buyer"], "suspended", "sanctions"))
    assert desk.refuse("seller", desk.ask(document)) == "party.suspended"


def test_the_face_is_at_most_what_is_payable(desk: Desk) -> None:
    document = desk.invoice()
    assert desk.refuse("seller", desk.ask(document, 1_001)) == "financing.amount_exceeded"
    desk.request(document, 1_000)


def test_a_fully_financed_invoice_cannot_be_financed_again(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document)
    assert desk.refuse("seller", desk.ask(document, 1)) == "financing.already_financed"


def test_a_discharged_invoice_cannot_be_financed_even_where_not_all_of_it_was(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, 500)
    desk.pay(document, 1_000)
    assert desk.refuse("seller", desk.ask(document, 1)) == "financing.already_financed"


def test_what_is_paid_cannot_be_financed(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, 100)
    desk.pay(document, 950)
    assert desk.refuse("seller", desk.ask(document, 51)) == "financing.amount_exceeded"
    desk.request(document, 50)


def test_credit_notes_registered_before_reduce_what_can_be_financed(desk: Desk) -> None:
    document = desk.invoice()
    desk.credit(document, 300)
    assert desk.refuse("seller", desk.ask(document, 701)) == "financing.amount_exceeded"
    desk.finance(document, 700)
    assert desk.receivable(document).total == 700


def test_credit_notes_registered_later_leave_the_total_of_the_receivable(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, 600)
    desk.credit(document, 1_000)
    assert desk.financing.keeper.eligibility.require(desk.state, document).total == 1_000


def test_an_invoice_over_the_smallest_amount_can_be_financed(desk: Desk) -> None:
    desk.request(desk.invoice(amount=1), 1)


def test_an_invoice_credited_in_full_cannot_be_financed(desk: Desk) -> None:
    document = desk.invoice()
    desk.credit(document, 1_000)
    assert desk.refuse("seller", desk.ask(document, 1)) == "financing.nothing_payable"


@pytest.mark.parametrize(
    ("code", "currency", "decimals", "kind"),
    [("USD", "USD", 2, "cash"), ("MILLI", "EUR", 3, "cash"), ("BOND", "EUR", 2, "security")],
)
def test_the_cash_must_be_cash_of_the_currency_in_its_smallest_unit(
    desk: Desk, code: str, currency: str, decimals: int, kind: str
) -> None:
    cash = desk.create_cash(code, currency, decimals, kind=kind)
    assert desk.refuse("seller", desk.ask(desk.invoice(), cash=cash)) == "financing.cash_mismatch"


@pytest.mark.parametrize(("decimals", "refused"), [(0, False), (2, True)])
def test_the_smallest_unit_is_that_of_the_currency(desk: Desk, decimals: int, refused: bool) -> None:
    cash = desk.create_cash("YEN", "JPY", decimals)
    message = desk.ask(desk.invoice(payable=Payable("JPY", 1_000)), cash=cash)
    if refused:
        assert desk.refuse("seller", message) == "financing.cash_mismatch"
    else:
        desk.do("seller", message)


def test_an_unknown_cash_is_refused(desk: Desk) -> None:
    assert desk.refuse("seller", desk.ask(desk.invoice(), cash=NOWHERE)) == "holding.instrument_unknown"


def test_a_receivable_is_financed_in_one_cash(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, 500)
    other = desk.create_cash("EUR2", "EUR")
    assert desk.refuse("seller", desk.ask(document, 100, cash=other)) == "financing.cash_mismatch"


def test_a_request_must_end_later_and_within_the_limit(desk: Desk) -> None:
    document, limit = desk.invoice(), FinancingParameters().max_life_ms
    now = desk.ledger.time_ms + 1_000  # when the next block is made
    assert desk.refuse("seller", desk.ask(document, expires_ms=now)) == "financing.validity"
    now += 1_000
    assert desk.refuse("seller", desk.ask(document, expires_ms=now + limit + 1)) == "financing.validity"
    now += 1_000
    desk.request(document, expires_ms=now + limit)
    now += 1_000
    desk.request(document, expires_ms=now + 1)


def test_the_seller_cancels_a_request_for_good(desk: Desk) -> None:
    financing = desk.request(desk.invoice())
    receipt = desk.do("seller", cancel(desk, financing))
    assert receipt.events == (FinancingCancelled(financing, "changed_mind"),)
    assert desk.get(financing).status == "cancelled"
    assert desk.refuse("seller", cancel(desk, financing)) == "financing.not_open"
    assert desk.refuse("bank", desk.bid(financing)) == "financing.not_open"


def test_nobody_else_cancels_a_request(desk: Desk) -> None:
    financing = desk.request(desk.invoice())
    assert desk.refuse("bank", cancel(desk, financing, "bank")) == "financing.not_seller"
    assert desk.refuse("seller", cancel(desk, NOWHERE)) == "financing.not_found"


def test_what_is_financed_cannot_be_cancelled(desk: Desk) -> None:
    financing = desk.finance(desk.invoice())
    assert desk.refuse("seller", cancel(desk, financing)) == "financing.not_open"


def test_a_request_expires_by_itself(desk: Desk) -> None:
    expires_ms = desk.ledger.time_ms + DAY_MS
    financing = desk.request(desk.invoice(), expires_ms=expires_ms)
    desk.wait_until(expires_ms - 1)
    assert desk.get(financing).status == "requested"
    desk.wait_until(expires_ms)
    assert desk.get(financing).status == "expired"
    leaf = desk.ledger.store.blocks[-1].leaves[0]
    assert desk.ledger.registry.receipt.decode(leaf.receipt).events == (FinancingExpired(financing),)
    assert desk.refuse("bank", desk.bid(financing)) == "financing.not_open"


def test_a_cancelled_request_leaves_nothing_due(desk: Desk) -> None:
    expires_ms = desk.ledger.time_ms + DAY_MS
    desk.do("seller", cancel(desk, desk.request(desk.invoice(), expires_ms=expires_ms)))
    desk.wait_until(expires_ms)
    assert desk.ledger.store.blocks[-1].leaves == ()


def test_several_requests_may_be_open_and_only_what_fits_is_financed(desk: Desk) -> None:
    document = desk.invoice()
    first, second = desk.request(document, 600), desk.request(document, 600)
    offers = [desk.offer(financing) for financing in (first, second)]
    desk.accept(first, offers[0])
    assert desk.refuse("seller", desk.acceptance(second, offers[1])) == "financing.amount_exceeded"


def test_a_buyer_that_registered_the_invoice_does_not_finance_it(desk: Desk) -> None:
    document = desk.register("buyer", Facts(N="18"))
    desk.do("buyer", ConfirmDocument(desk.ids["buyer"], document))
    desk.finance(document)
    assert desk.claims(document, "bank") == [1_000]
