"""Offers and acceptances: each reason to refuse them, withdrawal, expiry, and what a lender must know of a document."""

from typing import Any

import pytest
from msgspec.structs import replace

from modules.document.desk import Facts
from modules.financing.desk import DAY_MS, Desk, events_of
from traco.kernel.codec import MAX_AMOUNT
from traco.modules.document.messages import ConfirmDocument, DisputeDocument
from traco.modules.financing.events import OfferExpired, OfferWithdrawn
from traco.modules.financing.messages import Discount, FixedPrice, WithdrawOffer, price_of
from traco.modules.financing.parameters import FinancingParameters
from traco.modules.holding.state import AccountKind, CreditControl, DebitControl

NOWHERE = b"\xee" * 16


@pytest.mark.parametrize(
    ("price", "face", "expected"),
    [
        (FixedPrice(7), 1_000, 7),
        (Discount(0), 1_000, 1_000),
        (Discount(1), 999_999, 999_999),
        (Discount(1), 1_000_000, 999_999),
        (Discount(1_000_000), 5, 0),
        (Discount(20_000), 999, 980),
        (Discount(999_999), MAX_AMOUNT, MAX_AMOUNT - MAX_AMOUNT * 999_999 // 1_000_000),
    ],
)
def test_a_discount_is_rounded_down(price: FixedPrice | Discount, face: int, expected: int) -> None:
    assert price_of(price, face) == expected


def test_a_salt_serves_for_one_offer_on_a_request(desk: Desk) -> None:
    financing = desk.request(desk.invoice())
    message = desk.bid(financing)
    desk.do("bank", message)
    assert desk.refuse("bank", message) == "financing.offer_exists"


def test_the_same_salt_serves_for_offers_on_two_requests(desk: Desk) -> None:
    document, salt = desk.invoice(), b"s" * 16
    first, second = desk.request(document, 400), desk.request(document, 600)
    desk.accept(first, desk.offer(first, salt=salt))
    desk.accept(second, desk.offer(second, salt=salt))
    assert desk.claims(document, "bank") == [1_000]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"cash": NOWHERE}, "terms_differ"),
        ({"face": 999}, "terms_differ"),
        ({"terms": b"\x08" * 32}, "terms_differ"),
        ({"price": FixedPrice(1_001)}, "price"),
        ({"price": Discount(1_000_000)}, "price"),
        ({"content_commitment": b"\x09" * 32}, "commitment_differs"),
        ({"valid_until_ms": 1}, "validity"),
    ],
)
def test_an_offer_is_refused(desk: Desk, changes: dict[str, Any], code: str) -> None:
    financing = desk.request(desk.invoice())
    assert desk.refuse("bank", desk.bid(financing, **changes)) == f"financing.{code}"


def test_an_offer_needs_a_request(desk: Desk) -> None:
    message = desk.bid(desk.request(desk.invoice()))
    assert desk.refuse("bank", replace(message, financing=NOWHERE)) == "financing.not_found"


def test_an_offer_at_face_and_one_for_a_single_unit_are_offers(desk: Desk) -> None:
    financing = desk.request(desk.invoice())
    assert desk.get_offer(financing, desk.offer(financing, price=1_000)).price == 1_000
    assert desk.get_offer(financing, desk.offer(financing, price=1)).price == 1


def test_an_offer_must_end_later_and_within_the_limit(desk: Desk) -> None:
    financing, limit = desk.request(desk.invoice()), FinancingParameters().max_life_ms
    now = desk.ledger.time_ms + 1_000
    assert desk.refuse("bank", desk.bid(financing, valid_until_ms=now)) == "financing.validity"
    now += 1_000
    assert desk.refuse("bank", desk.bid(financing, valid_until_ms=now + limit + 1)) == "financing.validity"
    now += 1_000
    desk.offer(financing, valid_until_ms=now + limit)


def test_the_seller_does_not_lend_to_itself(desk: Desk) -> None:
    financing = desk.request(desk.invoice())
    assert desk.refuse("seller", desk.bid(financing, "seller")) == "financing.self_financed"


@pytest.mark.parametrize("field", ["cash_account", "receivable_account"])
def test_the_accounts_of_an_offer_are_the_lenders(desk: Desk, field: str) -> None:
    financing = desk.request(desk.invoice())
    foreign: dict[str, Any] = {field: desk.accounts["rival"]}
    assert desk.refuse("bank", desk.bid(financing, **foreign)) == "financing.account_foreign"
    unknown: dict[str, Any] = {field: NOWHERE}
    assert desk.refuse("bank", desk.bid(financing, **unknown)) == "holding.account_unknown"


def test_an_unconfirmed_invoice_is_financed_only_by_an_offer_that_says_so(desk: Desk) -> None:
    document = desk.register()
    financing = desk.request(document)
    assert desk.refuse("bank", desk.bid(financing)) == "financing.unconfirmed"
    desk.accept(financing, desk.offer(financing, accepts_unconfirmed=True))
    assert desk.claims(document, "bank") == [1_000]


def test_a_confirmation_in_part_is_none(desk: Desk) -> None:
    document = desk.register()
    desk.do("buyer", ConfirmDocument(desk.ids["buyer"], document, 999))
    assert desk.refuse("bank", desk.bid(desk.request(document))) == "financing.unconfirmed"


def test_a_dispute_after_the_offer_stops_the_acceptance(desk: Desk) -> None:
    document = desk.invoice()
    financing = desk.request(document)
    offer = desk.offer(financing, accepts_unconfirmed=True)
    desk.do("buyer", DisputeDocument(desk.ids["buyer"], document, "damaged"))
    assert desk.refuse("seller", desk.acceptance(financing, offer)) == "document.disputed"
    assert desk.refuse("bank", desk.bid(financing, accepts_unconfirmed=True)) == "document.disputed"


def test_each_financed_partial_match_must_be_acknowledged(desk: Desk) -> None:
    others = [desk.invoice(facts=Facts(D=date)) for date in ("2026-03-02", "2026-03-03")]
    document = desk.invoice(facts=Facts())
    early = desk.request(document)
    unaware = desk.offer(early)
    for other in others:
        desk.finance(other, lender="rival", acknowledges=tuple(others))
    financing = desk.request(document)
    code = "financing.partial_unacknowledged"
    assert desk.refuse("bank", desk.bid(financing)) == code
    assert desk.refuse("bank", desk.bid(financing, acknowledges=(others[0],))) == code
    assert desk.refuse("seller", desk.acceptance(early, unaware)) == code
    desk.accept(financing, desk.offer(financing, acknowledges=tuple(others)))
    assert desk.claims(document, "bank") == [1_000]


def test_a_lender_takes_back_an_offer(desk: Desk) -> None:
    financing = desk.request(desk.invoice())
    offer = desk.offer(financing)
    withdrawal = WithdrawOffer(desk.ids["bank"], financing, offer)
    assert desk.refuse("rival", WithdrawOffer(desk.ids["rival"], financing, offer)) == "financing.not_lender"
    assert desk.do("bank", withdrawal).events == (OfferWithdrawn(financing, offer),)
    assert desk.refuse("bank", withdrawal) == "financing.offer_ended"
    assert desk.refuse("seller", desk.acceptance(financing, offer)) == "financing.offer_ended"


def test_an_unknown_offer_is_neither_accepted_nor_withdrawn(desk: Desk) -> None:
    financing = desk.request(desk.invoice())
    known = desk.acceptance(financing, desk.offer(financing))
    assert desk.refuse("seller", replace(known, offer=NOWHERE)) == "financing.offer_not_found"
    assert (
        desk.refuse("bank", WithdrawOffer(desk.ids["bank"], financing, NOWHERE))
        == "financing.offer_not_found"
    )


def test_an_accepted_offer_cannot_be_withdrawn(desk: Desk) -> None:
    financing = desk.request(desk.invoice())
    offer = desk.offer(financing, firm=False)
    desk.accept(financing, offer)
    withdrawal = WithdrawOffer(desk.ids["bank"], financing, offer)
    assert desk.refuse("bank", withdrawal) == "financing.offer_ended"


def test_an_offer_expires_by_itself(desk: Desk) -> None:
    financing, until = desk.request(desk.invoice()), desk.ledger.time_ms + DAY_MS
    offer = desk.offer(financing, valid_until_ms=until)
    desk.wait_until(until - 1)
    assert desk.get_offer(financing, offer).status == "open"
    desk.wait_until(until)
    assert desk.get_offer(financing, offer).status == "expired"
    leaf = desk.ledger.store.blocks[-1].leaves[0]
    assert desk.ledger.registry.receipt.decode(leaf.receipt).events == (OfferExpired(financing, offer),)
    assert desk.refuse("seller", desk.acceptance(financing, offer)) == "financing.offer_ended"


def test_a_withdrawn_offer_leaves_nothing_due(desk: Desk) -> None:
    financing, until = desk.request(desk.invoice()), desk.ledger.time_ms + DAY_MS
    offer = desk.offer(financing, valid_until_ms=until)
    desk.do("bank", WithdrawOffer(desk.ids["bank"], financing, offer))
    desk.wait_until(until)
    assert desk.ledger.store.blocks[-1].leaves == ()


def test_only_the_seller_accepts(desk: Desk) -> None:
    financing = desk.request(desk.invoice())
    message = desk.acceptance(financing, desk.offer(financing), party=desk.ids["rival"])
    assert desk.refuse("rival", message) == "financing.not_seller"


def test_an_acceptance_puts_at_risk_what_the_seller_is_to_receive(desk: Desk) -> None:
    financing = desk.request(desk.invoice())
    assert desk.acceptance(financing, desk.offer(financing)).amount_at_risk() == (desk.cash, 980)


@pytest.mark.parametrize("changes", [{"price": 979}, {"price": 981}, {"cash": NOWHERE}])
def test_the_seller_accepts_what_it_was_shown(desk: Desk, changes: dict[str, Any]) -> None:
    financing = desk.request(desk.invoice())
    offer = desk.offer(financing)
    assert desk.refuse("seller", desk.acceptance(financing, offer, **changes)) == "financing.terms_differ"


@pytest.mark.parametrize("field", ["cash_account", "receivable_account"])
def test_the_accounts_of_an_acceptance_are_the_sellers(desk: Desk, field: str) -> None:
    financing = desk.request(desk.invoice())
    offer = desk.offer(financing)
    foreign = {field: desk.accounts["bank"]}
    assert desk.refuse("seller", desk.acceptance(financing, offer, **foreign)) == "financing.account_foreign"


def test_the_receivable_is_not_issued_into_an_account_whose_credits_the_seller_does_not_control(
    desk: Desk,
) -> None:
    financing = desk.request(desk.invoice())
    offer = desk.offer(financing)
    account = desk.open("seller", "fund", CreditControl.SERVICER, DebitControl.OWNER, AccountKind.CLIENT)
    message = desk.acceptance(financing, offer, receivable_account=account)
    assert desk.refuse("seller", message) == "financing.account_not_controlled"


def test_a_lender_without_the_cash_gets_nothing_and_pays_nothing(desk: Desk) -> None:
    document = desk.invoice(200_000)
    financing = desk.request(document, 200_000)
    offer = desk.offer(financing, price=100_001)
    assert desk.refuse("seller", desk.acceptance(financing, offer)) == "holding.insufficient"
    assert desk.get(financing).status == "requested"
    assert desk.get_offer(financing, offer).status == "open"
    assert desk.financing.keeper.receivable(desk.state, document) is None
    assert desk.money("seller bank") == [0, 0]
    assert desk.status(document) == "REGU"
    desk.fund(desk.accounts["bank"], 1)
    desk.accept(financing, offer)
    assert desk.money("seller") == [100_001]


def test_an_acceptance_after_the_offer_ended_is_refused_even_if_its_due_item_waits(desk: Desk) -> None:
    document = desk.invoice()
    until = desk.ledger.time_ms + DAY_MS
    financing = desk.request(document, expires_ms=until)
    offer = desk.offer(financing, valid_until_ms=until)
    keeper = desk.financing.keeper
    stale = desk.get_offer(financing, offer)
    desk.call(lambda context: context.unschedule(until, "financing.offer_expiry", financing + offer))
    desk.call(lambda context: context.unschedule(until, "financing.request_expiry", financing))
    assert keeper.offer(desk.state, financing, offer) == stale
    desk.wait_until(until - 1_000)
    assert desk.refuse("seller", desk.acceptance(financing, offer)) == "financing.request_expired"


def test_an_acceptance_after_the_offers_time_is_refused_even_if_its_due_item_waits(desk: Desk) -> None:
    until = desk.ledger.time_ms + DAY_MS
    financing = desk.request(desk.invoice())
    offer = desk.offer(financing, valid_until_ms=until)
    desk.call(lambda context: context.unschedule(until, "financing.offer_expiry", financing + offer))
    desk.wait_until(until - 1_000)
    assert desk.refuse("seller", desk.acceptance(financing, offer)) == "financing.offer_expired"


def test_a_default_payout_is_where_the_price_came_from(desk: Desk) -> None:
    document = desk.invoice()
    apart = desk.open("bank")
    financing = desk.request(document)
    receipt = desk.accept(financing, desk.offer(financing, receivable_account=apart))
    assert events_of(receipt, OfferExpired) == []
    desk.pay(document, 1_000)
    assert desk.money("bank") == [20]
