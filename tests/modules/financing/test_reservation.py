"""Reservation: one at a time, freed by its deadline or a cancellation, and no settlement of what must not be financed."""

from modules.document.desk import Facts
from modules.financing.desk import DAY_MS, DUE_DATE, Desk, events_of
from support.ledger import Key
from traco.kernel.codec import digest, encode
from traco.kernel.module import Context
from traco.modules.document.messages import CancelDocument, ConfirmDocument, DisputeDocument
from traco.modules.financing import state as stored
from traco.modules.financing.events import (
    DocumentFinanced,
    DocumentReserved,
    FinancingCancelled,
    FinancingExpired,
    ReceivableIssued,
    ReceivableWithdrawn,
    ReservationEnded,
)
from traco.modules.financing.messages import (
    CancelFinancing,
    FinancingReleased,
    FinancingSettled,
)
from traco.modules.financing.parameters import FinancingParameters
from traco.modules.holding.messages import Attach, LiftAttachment
from traco.modules.holding.state import attachment_id
from traco.modules.settlement.messages import Cancel

RESERVATION_MS = FinancingParameters().reservation_ms


def cancel(desk: Desk, financing: bytes) -> CancelFinancing:
    return CancelFinancing(desk.ids["seller"], financing, "changed_mind")


def test_an_acceptance_of_an_offer_that_is_not_firm_reserves_until_the_lender_affirms(desk: Desk) -> None:
    document = desk.invoice()
    financing = desk.request(document, 600)
    offer = desk.offer(financing, firm=False)
    receipt = desk.accept(financing, offer)
    (reserved,) = events_of(receipt, DocumentReserved)
    assert reserved.deadline_ms == desk.ledger.time_ms + RESERVATION_MS
    assert (desk.get(financing).status, desk.get_offer(financing, offer).status) == ("reserved", "accepted")
    assert desk.receivable(document).reservation == financing
    assert desk.status(document) == "REGU"
    assert desk.money("seller bank") == [0, 0]
    receipt = desk.do("bank", desk.affirmation(financing))
    assert len(events_of(receipt, DocumentFinanced)) == 1
    assert (desk.get(financing).status, desk.get_offer(financing, offer).status) == ("financed", "settled")
    assert desk.receivable(document).reservation is None
    assert desk.claims(document, "seller bank") == [400, 600]
    assert desk.money("seller bank") == [588, -588]
    assert desk.status(document) == "DFIN"


def test_the_terms_of_a_receivable_are_the_facts_of_its_invoice(desk: Desk) -> None:
    document = desk.invoice()
    desk.reserve(document, 600)
    instrument = desk.holding.keeper.instrument(desk.state, desk.receivable(document).instrument)
    assert instrument is not None
    commitment = desk.document.keeper.require(desk.state, document).content_commitment
    facts = (document, desk.ids["seller"], desk.ids["buyer"], "EUR", 1_000, DUE_DATE, commitment)
    assert instrument.terms == digest(b"traco/financing/receivable/1", encode(facts))


def test_no_more_of_a_receivable_can_be_issued_than_is_payable(desk: Desk) -> None:
    document = desk.invoice()
    desk.reserve(document, 600)
    supply = desk.holding.keeper.supply(desk.state, desk.receivable(document).instrument)
    assert supply is not None
    assert (supply.outstanding, supply.cap) == (1_000, 1_000)


def test_both_legs_of_a_reservation_refer_to_the_financing(desk: Desk) -> None:
    financing = desk.reserve(desk.invoice(), 600)
    deal = desk.get(financing).deal
    assert deal is not None
    batch = desk.settlement.keeper.require_open(desk.state, deal.batch)
    assert [leg.reference for leg in batch.legs] == [financing, financing]


def test_a_reserved_document_is_not_accepted_twice(desk: Desk) -> None:
    document = desk.invoice()
    second = desk.request(document, 400)
    offer = desk.offer(second)
    first = desk.reserve(document, 600)
    assert desk.refuse("seller", desk.acceptance(second, offer)) == "financing.reserved"
    assert desk.refuse("bank", desk.bid(first)) == "financing.reserved"
    desk.do("bank", desk.affirmation(first))
    desk.accept(second, offer)
    assert desk.claims(document, "seller bank") == [0, 1_000]


def test_a_document_with_the_same_facts_is_reserved_with_it(desk: Desk) -> None:
    document, twin = desk.invoice(), desk.register("fund")
    desk.do("buyer", ConfirmDocument(desk.ids["buyer"], twin))
    other = desk.request(twin)
    offer = desk.offer(other, "rival")
    first = desk.reserve(document)
    assert desk.refuse("seller", desk.acceptance(other, offer)) == "financing.reserved"
    desk.do("bank", desk.affirmation(first))
    assert desk.refuse("seller", desk.acceptance(other, offer)) == "financing.already_financed"


def test_what_was_issued_cannot_leave_the_seller_before_settlement(desk: Desk) -> None:
    document = desk.invoice()
    desk.reserve(document, 600)
    assert desk.refuse("seller", desk.transfer(document, "seller", "rival", 1)) == "holding.insufficient"
    assert desk.refuse("buyer", desk.payment(document, 1)) == "financing.receivable_not_found"


def test_a_reservation_ends_at_its_deadline_and_the_request_is_open_again(desk: Desk) -> None:
    document = desk.invoice()
    financing = desk.reserve(document, 600)
    offer = desk.get(financing).deal
    deadline_ms = desk.ledger.time_ms + RESERVATION_MS
    instrument = desk.receivable(document).instrument
    desk.wait_until(deadline_ms - 1)
    assert desk.get(financing).status == "reserved"
    desk.wait_until(deadline_ms)
    assert desk.get(financing).status == "requested"
    assert offer is not None
    assert desk.get_offer(financing, offer.offer).status == "released"
    assert desk.financing.keeper.receivable(desk.state, document) is None
    assert desk.holding.keeper.outstanding(desk.state, instrument) == 0
    leaf = desk.ledger.store.blocks[-1].leaves[0]
    events = desk.ledger.registry.receipt.decode(leaf.receipt).events
    assert ReservationEnded(financing, document) in events
    assert ReceivableWithdrawn(document, instrument) in events
    receipt = desk.accept(financing, desk.offer(financing, "rival"))
    assert len(events_of(receipt, ReceivableIssued)) == 1
    assert desk.claims(document, "rival") == [600]


def test_the_lender_is_in_time_one_millisecond_before_the_deadline(desk: Desk) -> None:
    document = desk.invoice()
    financing = desk.reserve(document)
    deadline_ms = desk.ledger.time_ms + RESERVATION_MS
    desk.wait_until(deadline_ms - 1_001)
    desk.do("bank", desk.affirmation(financing))
    assert desk.get(financing).status == "financed"
    desk.wait_until(deadline_ms)
    assert desk.get(financing).status == "financed"


def test_in_the_block_of_the_deadline_the_release_comes_first(desk: Desk) -> None:
    document = desk.invoice()
    financing = desk.reserve(document)
    late = desk.affirmation(financing)
    desk.wait_until(desk.ledger.time_ms + RESERVATION_MS - 1_000)
    assert desk.refuse("bank", late) == "settlement.batch_ended"
    assert desk.get(financing).status == "requested"
    assert desk.money("seller bank") == [0, 0]


def test_a_request_whose_time_passed_while_it_was_reserved_expires_with_the_reservation(desk: Desk) -> None:
    document = desk.invoice()
    expires_ms = desk.ledger.time_ms + RESERVATION_MS
    financing = desk.request(document, expires_ms=expires_ms)
    desk.accept(financing, desk.offer(financing, firm=False))
    deadline_ms = desk.ledger.time_ms + RESERVATION_MS
    desk.wait_until(expires_ms)
    assert desk.get(financing).status == "reserved"
    desk.wait_until(deadline_ms)
    assert desk.get(financing).status == "expired"
    events = desk.ledger.registry.receipt.decode(desk.ledger.store.blocks[-1].leaves[0].receipt).events
    assert FinancingExpired(financing) in events


def test_at_the_very_end_of_its_time_a_released_request_is_expired(desk: Desk) -> None:
    financing = desk.request(desk.invoice(), expires_ms=desk.ledger.time_ms + 3_000 + RESERVATION_MS)
    desk.accept(financing, desk.offer(financing, firm=False))
    assert desk.get(financing).expires_ms == desk.ledger.time_ms + RESERVATION_MS
    desk.call(
        lambda context: context.unschedule(
            desk.get(financing).expires_ms, "financing.request_expiry", financing
        )
    )
    desk.wait_until(desk.get(financing).expires_ms)
    assert desk.get(financing).status == "expired"


def test_the_seller_cancels_a_reservation_with_its_batch(desk: Desk) -> None:
    document = desk.invoice()
    financing = desk.reserve(document)
    receipt = desk.do("seller", cancel(desk, financing))
    assert len(events_of(receipt, ReservationEnded)) == 1
    assert len(events_of(receipt, FinancingCancelled)) == 1
    assert desk.get(financing).status == "cancelled"
    assert desk.financing.keeper.receivable(desk.state, document) is None


def test_cancelling_what_is_past_its_time_lets_it_expire(desk: Desk) -> None:
    financing = desk.request(desk.invoice(), expires_ms=desk.ledger.time_ms + DAY_MS // 2)
    desk.accept(financing, desk.offer(financing, firm=False))
    desk.wait_until(desk.get(financing).expires_ms)
    receipt = desk.do("seller", cancel(desk, financing))
    assert len(events_of(receipt, FinancingExpired)) == 1
    assert events_of(receipt, FinancingCancelled) == []
    assert desk.get(financing).status == "expired"


def test_a_batch_cancelled_by_itself_frees_the_request(desk: Desk) -> None:
    financing = desk.reserve(desk.invoice())
    deal = desk.get(financing).deal
    assert deal is not None
    assert desk.refuse("bank", Cancel(desk.ids["bank"], deal.batch, "no")) == "settlement.not_requestor"
    desk.do("seller", Cancel(desk.ids["seller"], deal.batch, "no"))
    assert desk.get(financing).status == "requested"


def test_a_second_reservation_that_ends_leaves_the_first_financing_alone(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, 500)
    second = desk.reserve(document, 300, "rival")
    desk.do("seller", cancel(desk, second))
    receivable = desk.receivable(document)
    assert (receivable.financed, receivable.reservation) == (500, None)
    assert desk.claims(document, "seller bank") == [500, 500]
    assert desk.status(document) == "DFIN"


def test_a_dispute_before_the_lender_affirms_stops_settlement(desk: Desk) -> None:
    document = desk.invoice()
    financing = desk.reserve(document, accepts_unconfirmed=True)
    desk.do("buyer", DisputeDocument(desk.ids["buyer"], document, "damaged"))
    assert desk.refuse("bank", desk.affirmation(financing)) == "document.disputed"
    assert desk.money("seller bank") == [0, 0]


def test_a_document_cancelled_while_reserved_is_not_financed(desk: Desk) -> None:
    document = desk.invoice()
    financing = desk.reserve(document)
    desk.do("seller", CancelDocument(desk.ids["seller"], document, "wrong"))
    assert desk.refuse("bank", desk.affirmation(financing)) == "document.not_registered"
    desk.wait_until(desk.ledger.time_ms + RESERVATION_MS)
    assert desk.get(financing).status == "requested"


def test_a_partial_match_financed_in_the_meantime_stops_settlement(desk: Desk) -> None:
    document, other = desk.invoice(), desk.invoice(facts=Facts(D="2026-03-02"))
    financing = desk.reserve(document)
    desk.finance(other, lender="rival")
    assert desk.refuse("bank", desk.affirmation(financing)) == "financing.partial_unacknowledged"


def test_of_two_documents_with_the_same_facts_one_settles_even_if_both_were_reserved(desk: Desk) -> None:
    """The second was registered after the reservation, so that only settlement can tell."""
    document, twin = desk.invoice(), desk.register("fund")
    desk.do("buyer", ConfirmDocument(desk.ids["buyer"], twin))
    first = desk.reserve(document)
    financing, eligibility = desk.request(twin), desk.financing.keeper.eligibility
    offer = desk.offer(financing, "rival", firm=False)

    def accept_without_check(context: Context) -> None:
        message = desk.acceptance(financing, offer)
        keeper, state = desk.financing.keeper, desk.state
        invoice = eligibility.require(state, twin)
        keeper.reserve(context, message, desk.get(financing), desk.get_offer(financing, offer), invoice)

    desk.call(accept_without_check)
    desk.do("rival", desk.affirmation(financing, "rival"))
    assert desk.refuse("bank", desk.affirmation(first)) == "financing.already_financed"
    assert desk.money("bank rival") == [0, -980]


def test_a_receivable_attached_before_the_release_stays_and_the_document_counts_as_financed(
    desk: Desk,
) -> None:
    document = desk.invoice()
    financing = desk.reserve(document, 600)
    instrument, salt, court = desk.receivable(document).instrument, desk.ledger.salt(), desk.ids["court"]
    desk.do("court", Attach(court, desk.accounts["seller"], instrument, 100, b"\x01" * 32, salt))
    desk.do("seller", cancel(desk, financing))
    receivable = desk.receivable(document)
    assert (receivable.financed, receivable.reservation, receivable.remainder) == (0, None, 0)
    assert desk.claims(document, "seller") == [1_000]
    assert desk.status(document) == "DFIN"
    desk.do("court", LiftAttachment(court, attachment_id(court, salt)))
    desk.finance(document, 1_000)
    assert desk.claims(document, "bank") == [1_000]


def test_an_attached_receivable_of_nobody_else_can_be_paid(desk: Desk) -> None:
    document = desk.invoice()
    financing = desk.reserve(document)
    instrument, salt, court = desk.receivable(document).instrument, desk.ledger.salt(), desk.ids["court"]
    desk.do("court", Attach(court, desk.accounts["seller"], instrument, 100, b"\x01" * 32, salt))
    desk.do("seller", cancel(desk, financing))
    desk.pay(document, 1_000)
    assert desk.money("seller") == [900]
    assert desk.collectable(document, "seller") == 100


def test_an_attached_receivable_of_a_cancelled_document_stays_unmarked(desk: Desk) -> None:
    document = desk.invoice()
    financing = desk.reserve(document)
    instrument, salt, court = desk.receivable(document).instrument, desk.ledger.salt(), desk.ids["court"]
    desk.do("court", Attach(court, desk.accounts["seller"], instrument, 100, b"\x01" * 32, salt))
    desk.do("seller", CancelDocument(desk.ids["seller"], document, "wrong"))
    desk.do("seller", cancel(desk, financing))
    assert desk.document.keeper.require(desk.state, document).financing is None


def test_a_consequence_out_of_place_settles_nothing_and_releases_nothing(desk: Desk) -> None:
    financing = desk.finance(desk.invoice())
    keeper, before = desk.financing.keeper, desk.get(financing)
    desk.call(lambda context: keeper.released(context, FinancingReleased(financing)))
    assert desk.get(financing) == before
    refused = desk.refuse(
        "operator", desk._call(lambda context: keeper.settled(context, FinancingSettled(financing)))
    )
    assert refused == "financing.not_open"


def test_two_acceptances_in_one_block_reserve_once(desk: Desk) -> None:
    document = desk.invoice()
    first, second = desk.request(document, 500), desk.request(document, 500)
    offers = [desk.offer(financing, firm=False) for financing in (first, second)]
    wires = [
        desk.ledger.transaction([desk.acceptance(financing, offer)], Key("seller"))
        for financing, offer in zip((first, second), offers, strict=True)
    ]
    answers = desk.ledger.run_block(wires)
    codes = [None if answer.failure is None else answer.failure.code for answer in answers]
    assert codes == [None, "financing.reserved"]


def test_due_items_that_come_too_late_change_nothing(desk: Desk) -> None:
    document = desk.invoice()
    financing = desk.finance(document)
    deal, keeper = desk.get(financing).deal, desk.financing.keeper
    assert deal is not None

    def all_late(context: Context) -> None:
        keeper.expire_request(context, financing)
        keeper.expire_offer(context, financing + deal.offer)
        keeper.recourses.fall_due(context, financing)
        keeper.payments.mark_overdue(context, b"\xee" * 16)

    assert desk.call(all_late).events == ()
    assert desk.get(financing).status == "financed"
    assert desk.get_offer(financing, deal.offer).status == "settled"


def test_a_settlement_without_its_receivable_is_refused(desk: Desk) -> None:
    document = desk.invoice()
    financing = desk.reserve(document)

    def lose_and_settle(context: Context) -> None:
        stored.receivables.delete(context.state, document)
        desk.financing.keeper.settled(context, FinancingSettled(financing))

    assert desk.refuse("operator", desk._call(lose_and_settle)) == "financing.receivable_not_found"


def test_a_settled_request_leaves_no_expiry_due(desk: Desk) -> None:
    expires_ms = desk.ledger.time_ms + DAY_MS
    financing = desk.request(desk.invoice(), expires_ms=expires_ms)
    desk.accept(financing, desk.offer(financing, valid_until_ms=expires_ms))
    desk.wait_until(expires_ms)
    assert desk.ledger.store.blocks[-1].leaves == ()
