"""Reads on committed state."""

from modules.document.desk import Facts
from modules.financing.desk import Desk
from traco.modules.financing.queries import (
    CollectableQuery,
    DocumentQuery,
    FinancingQuery,
    FinancingsByDocument,
    FinancingView,
    OfferRow,
    OffersQuery,
    PayoutQuery,
    ReceivableView,
)

NOWHERE = b"\xee" * 16


def test_what_is_not_there_is_none_empty_or_zero(desk: Desk) -> None:
    query = desk.ledger.query
    assert query("financing.get", FinancingQuery(NOWHERE)) is None
    assert query("financing.by_document", FinancingsByDocument(NOWHERE)) == ()
    assert query("financing.offers", OffersQuery(NOWHERE)) == ()
    assert query("financing.receivable", DocumentQuery(NOWHERE)) is None
    assert query("financing.collectable", CollectableQuery(NOWHERE, NOWHERE, NOWHERE)) == 0
    assert query("financing.payout", PayoutQuery(NOWHERE)) == NOWHERE


def test_a_financing_says_when_it_is_discharged(desk: Desk) -> None:
    document = desk.invoice()
    financing, pending = desk.finance(document, 600), desk.request(document, 100)
    view = desk.ledger.query("financing.get", FinancingQuery(financing))
    assert view == FinancingView(financing, desk.get(financing), False, None)
    desk.pay(document, 1_000)
    assert desk.ledger.query("financing.get", FinancingQuery(financing)).discharged
    assert not desk.ledger.query("financing.get", FinancingQuery(pending)).discharged


def test_the_financings_of_a_document_come_in_pages(desk: Desk) -> None:
    document = desk.invoice()
    made = sorted(desk.request(document, 100) for _ in range(3))
    desk.request(desk.invoice(facts=Facts(N="99")))
    query = desk.ledger.query
    first = query("financing.by_document", FinancingsByDocument(document, limit=2))
    rest = query("financing.by_document", FinancingsByDocument(document, after=first[-1].id))
    assert [[view.id for view in page] for page in (first, rest)] == [made[:2], made[2:]]


def test_the_offers_on_a_request_come_in_pages(desk: Desk) -> None:
    financing = desk.request(desk.invoice())
    made = sorted(desk.offer(financing, name) for name in ("bank", "rival", "fund"))
    query = desk.ledger.query
    first = query("financing.offers", OffersQuery(financing, limit=1))
    rest = query("financing.offers", OffersQuery(financing, after=made[0]))
    assert first == (OfferRow(made[0], desk.get_offer(financing, made[0])),)
    assert [row.id for row in rest] == made[1:]


def test_a_receivable_says_what_is_unpaid(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document)
    desk.pay(document, 300)
    view = desk.ledger.query("financing.receivable", DocumentQuery(document))
    assert view == ReceivableView(document, desk.receivable(document), 700, False)
    desk.pay(document, 700)
    assert desk.ledger.query("financing.receivable", DocumentQuery(document)).discharged


def test_a_payout_is_told(desk: Desk) -> None:
    till = desk.open("bank")
    desk.do("bank", desk.payout("bank", till))
    assert desk.ledger.query("financing.payout", PayoutQuery(desk.accounts["bank"])) == till
