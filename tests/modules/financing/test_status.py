"""Statuses as duplicate-financing registries have them: the issue's table over real registrations, and double financing."""

from typing import Any

import pytest

from modules.document.desk import Facts
from modules.financing.desk import Desk, events_of
from traco.modules.document.events import DocumentMatched
from traco.modules.document.messages import ConfirmDocument, document_id
from traco.modules.financing.queries import DocumentQuery, StatusView

EXACT, PARTIAL, NONE = Facts(), Facts(D="2026-03-02"), Facts("9", "2026-01-01", "EUR 5", "s", "b")

TABLE = [
    # what agrees, applicant, financed, registered with or refused for, status, matches reported
    (EXACT, "seller", False, None, "REDU", 1),
    (EXACT, "fund", False, None, "REGU", 1),
    (EXACT, "seller", True, "document.already_financed", None, 0),
    (EXACT, "fund", True, "document.already_financed", None, 0),
    (PARTIAL, "seller", False, None, "REGU", 1),
    (PARTIAL, "fund", False, None, "REGU", 1),
    (PARTIAL, "seller", True, None, "REGU", 1),
    (PARTIAL, "fund", True, None, "REGU", 1),
    (NONE, "seller", True, None, "REGU", 0),
]


def query(desk: Desk, document: bytes) -> StatusView:
    found: StatusView = desk.ledger.query("financing.status", DocumentQuery(document))
    return found


@pytest.mark.parametrize(("facts", "applicant", "financed", "refused", "status", "reported"), TABLE)
def test_a_registration_has_the_status_of_the_table(
    desk: Desk, facts: Facts, applicant: str, financed: bool, refused: str | None, status: str, reported: int
) -> None:
    first = desk.invoice(facts=EXACT)
    if financed:
        desk.finance(first)
    message = desk.registration(applicant, facts)
    if refused is not None:
        assert desk.refuse(applicant, message) == refused
        return
    receipt = desk.do(applicant, message)
    matched = events_of(receipt, DocumentMatched)
    assert [(event.match.document, event.match.registrant) for event in matched] == [
        (first, desk.ids["seller"])
    ] * reported
    document = document_id(message.party, message.salt)
    found = query(desk, document)
    assert (found.status, found.same) == (status, first if status == "REDU" else None)
    assert [(match.document, match.financed) for match in found.matches] == [(first, financed)] * reported


@pytest.mark.parametrize("applicant", ["seller", "fund"])
def test_a_document_registered_before_its_twin_was_financed_becomes_dfin(desk: Desk, applicant: str) -> None:
    first = desk.invoice()
    twin = desk.register(applicant)
    assert desk.status(twin) == ("REDU" if applicant == "seller" else "REGU")
    desk.finance(first)
    assert (query(desk, twin).status, query(desk, twin).same) == ("DFIN", first)
    assert desk.refuse("seller", desk.ask(twin)) == "financing.already_financed"


def test_a_registered_duplicate_is_not_financed(desk: Desk) -> None:
    desk.invoice()
    assert desk.refuse("seller", desk.ask(desk.register())) == "document.not_registered"


def test_a_financed_document_is_dfin_by_itself_even_when_discharged(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, 100)
    assert query(desk, document).same == document
    desk.pay(document, 1_000)
    assert query(desk, document).status == "DFIN"
    assert desk.refuse("fund", desk.registration("fund")) == "document.already_financed"


def test_an_offer_made_before_the_twin_was_financed_is_not_accepted(desk: Desk) -> None:
    first, twin = desk.invoice(), desk.register("fund")
    desk.do("buyer", ConfirmDocument(desk.ids["buyer"], twin))
    financing = desk.request(twin)
    offer = desk.offer(financing, "rival")
    desk.finance(first)
    assert desk.refuse("rival", desk.bid(financing, "rival")) == "financing.already_financed"
    assert desk.refuse("seller", desk.acceptance(financing, offer)) == "financing.already_financed"
    assert desk.money("rival") == [0]


def test_an_unknown_document_has_no_status(desk: Desk) -> None:
    nothing: Any = desk.ledger.query("financing.status", DocumentQuery(b"\xee" * 16))
    assert nothing is None
