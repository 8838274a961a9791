"""What the financing module asks and tells: what can be financed, marks, and credit notes."""

from typing import Any

import pytest

from modules.document.desk import FINANCING, Desk, Facts, Mark, Unmark
from support.ledger import Key
from traco.kernel.errors import Rejected
from traco.modules.document.events import FinancedMarked, FinancedUnmarked
from traco.modules.document.messages import (
    CancelDocument,
    CreditNote,
    DisputeDocument,
    DocumentReference,
    NamedParty,
    Payable,
    PublicIdentifier,
)
from traco.modules.document.statement import STRENGTHS

BASE = Facts()
UNKNOWN = b"?" * 16
OUTSIDER = PublicIdentifier("9930", "DE 123")


def refusal(desk: Desk, document: bytes) -> str | None:
    """The code with which the document is refused to be financed, or None."""
    try:
        desk.keeper.require_financeable(desk.state, document)
    except Rejected as rejected:
        return rejected.code
    return None


def mark(desk: Desk, document: bytes) -> Mark:
    return Mark(desk.ids["operator"], document)


def unmark(desk: Desk, document: bytes) -> Unmark:
    return Unmark(desk.ids["operator"], document)


# what can be financed


def test_an_undisputed_invoice_with_an_amount_can_be_financed(desk: Desk) -> None:
    document = desk.register(payable=Payable("EUR", 1))
    assert desk.keeper.require_financeable(desk.state, document) == desk.get(document)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"kind": "credit_note"}, "document.kind_not_financeable"),
        ({"payable": None}, "document.amount_undisclosed"),
        ({"payable": Payable("EUR", 0)}, "document.amount_zero"),
    ],
)
def test_what_is_no_invoice_with_an_amount_cannot_be_financed(
    desk: Desk, fields: dict[str, Any], code: str
) -> None:
    assert refusal(desk, desk.register(**fields)) == code


def test_an_unknown_document_cannot_be_financed(desk: Desk) -> None:
    assert refusal(desk, UNKNOWN) == "document.not_found"


def test_a_duplicate_a_cancelled_and_a_superseded_document_cannot_be_financed(desk: Desk) -> None:
    first = desk.register()
    duplicate = desk.register()
    second = desk.register(facts=Facts("18"), amends=first)
    desk.do("seller", CancelDocument(desk.ids["seller"], second, "mistake"))
    codes = [refusal(desk, document) for document in (duplicate, first, second)]
    assert codes == ["document.not_registered"] * 3


def test_a_disputed_document_cannot_be_financed(desk: Desk) -> None:
    document = desk.register()
    desk.do("buyer", DisputeDocument(desk.ids["buyer"], document, "quality"))
    assert refusal(desk, document) == "document.disputed"


def test_a_financed_document_and_its_twin_cannot_be_financed_again(desk: Desk) -> None:
    document, twin = desk.register(), desk.register("agent")
    desk.mark(document)
    assert refusal(desk, document) == "document.already_financed"
    assert refusal(desk, twin) == "document.already_financed"


@pytest.mark.parametrize("payable", [None, Payable("EUR", 0)])
def test_a_refusal_names_the_document(desk: Desk, payable: Payable | None) -> None:
    document = desk.register(payable=payable)
    with pytest.raises(Rejected) as refused:
        desk.keeper.require_financeable(desk.state, document)
    assert refused.value.fields() == (("document", document),)


def test_a_refusal_of_a_disputed_document_names_who_disputes(desk: Desk) -> None:
    document = desk.register()
    desk.do("buyer", DisputeDocument(desk.ids["buyer"], document, "quality"))
    with pytest.raises(Rejected) as refused:
        desk.keeper.require_financeable(desk.state, document)
    assert refused.value.fields() == (("document", document), ("party", desk.ids["buyer"]))


# marks


def test_a_mark_names_the_financing_and_is_reported(desk: Desk) -> None:
    document = desk.register()
    receipt = desk.do("operator", mark(desk, document))
    assert receipt.events == (FinancedMarked(document, FINANCING),)
    assert desk.get(document).financing == FINANCING
    receipt = desk.do("operator", unmark(desk, document))
    assert receipt.events == (FinancedUnmarked(document, FINANCING),)
    assert desk.get(document).financing is None


def test_the_same_facts_are_financed_once(desk: Desk) -> None:
    document, twin = desk.register(), desk.register("agent")
    desk.mark(document)
    assert desk.refuse("operator", mark(desk, document)) == "document.already_financed"
    assert desk.refuse("operator", mark(desk, twin)) == "document.already_financed"
    desk.do("operator", unmark(desk, document))
    desk.mark(twin)
    assert desk.keeper.already_financed_exact(desk.state, document) == twin


def test_inherited_facts_are_financed_once_too(desk: Desk) -> None:
    amended = desk.register(facts=Facts(A="EUR 900"), amends=desk.register())
    twin = desk.register("agent", BASE)
    desk.mark(twin)
    assert refusal(desk, amended) == "document.already_financed"


def test_what_does_not_stand_is_not_marked(desk: Desk) -> None:
    desk.register()
    assert desk.refuse("operator", mark(desk, desk.register())) == "document.not_registered"
    assert desk.refuse("operator", mark(desk, UNKNOWN)) == "document.not_found"


def test_what_is_not_marked_is_not_unmarked(desk: Desk) -> None:
    assert desk.refuse("operator", unmark(desk, desk.register())) == "document.not_financed"
    assert desk.refuse("operator", unmark(desk, UNKNOWN)) == "document.not_found"


def test_two_in_one_transaction_cannot_both_be_marked(desk: Desk) -> None:
    document, twin = desk.register(), desk.register("agent")
    code = desk.refuse("operator", mark(desk, document), mark(desk, twin))
    assert code == "document.already_financed"
    assert desk.get(document).financing is None


def test_exact_and_partial_financed_matches_are_told_apart(desk: Desk) -> None:
    document = desk.register()
    strong, weak = desk.register("agent", Facts(A="EUR 1")), desk.register("buyer", Facts(D="x", A="x"))
    unfinanced = desk.register("operator", Facts(B="x"))
    assert desk.keeper.already_financed_exact(desk.state, document) is None
    assert desk.keeper.already_financed_partial(desk.state, document) == ()
    for other in (strong, weak):
        desk.mark(other)
    found = desk.keeper.already_financed_partial(desk.state, document)
    assert [(match.document, match.strength) for match in found] == [(strong, "strong"), (weak, "weak")]
    assert unfinanced in [match.document for match in desk.keeper.matches(desk.state, document)]
    desk.mark(document)
    assert desk.keeper.already_financed_exact(desk.state, document) == document
    assert len(desk.keeper.already_financed_partial(desk.state, document)) == 2


def test_an_exact_financed_match_is_no_partial_one(desk: Desk) -> None:
    document, twin = desk.register(), desk.register("agent")
    desk.mark(twin)
    assert desk.keeper.already_financed_exact(desk.state, document) == twin
    assert desk.keeper.already_financed_partial(desk.state, document) == ()


def test_strengths_are_ordered_from_the_strongest() -> None:
    assert STRENGTHS == ("exact", "strong", "weak")


# credit notes


def test_credit_notes_of_an_invoice_are_listed_with_their_amounts(desk: Desk) -> None:
    invoice = desk.register()
    assert desk.keeper.credit_notes_of(desk.state, invoice) == ()
    notes = [(desk.credit(invoice, "C1", 100), 100), (desk.credit(invoice, "C2", 50), 50)]
    expected = tuple(CreditNote(note, Payable("EUR", amount)) for note, amount in sorted(notes))
    assert desk.keeper.credit_notes_of(desk.state, invoice) == expected


def test_a_cancelled_superseded_or_duplicate_credit_note_reduces_nothing(desk: Desk) -> None:
    invoice = desk.register()
    cancelled = desk.credit(invoice, "C1")
    desk.credit(invoice, "C1")
    assert len(desk.keeper.credit_notes_of(desk.state, invoice)) == 1
    desk.do("seller", CancelDocument(desk.ids["seller"], cancelled, "mistake"))
    assert desk.keeper.credit_notes_of(desk.state, invoice) == ()
    superseded = desk.credit(invoice, "C2", 10)
    amended = desk.credit(invoice, "C3", 20, amends=superseded)
    assert desk.keeper.credit_notes_of(desk.state, invoice) == (CreditNote(amended, Payable("EUR", 20)),)


def test_a_financed_invoice_can_be_credited(desk: Desk) -> None:
    invoice = desk.register()
    desk.mark(invoice)
    desk.credit(invoice, "C1")
    assert len(desk.keeper.credit_notes_of(desk.state, invoice)) == 1


def test_a_credit_note_need_not_refer_to_a_registered_invoice(desk: Desk) -> None:
    assert desk.get(desk.register(kind="credit_note")).credits() is None


def test_only_the_seller_credits_whoever_registered_the_invoice(desk: Desk) -> None:
    invoice = desk.register("buyer")
    attempt = desk.registration("buyer", Facts("C1"), **desk.credit_fields(invoice))
    assert desk.refuse("buyer", attempt) == "document.not_seller"
    desk.credit(invoice, "C1")


def test_without_a_registered_seller_the_registrant_credits(desk: Desk) -> None:
    roles = (NamedParty("seller", None, OUTSIDER), NamedParty("payee", desk.ids["agent"]))
    invoice = desk.register("agent", roles=roles)
    attempt = desk.registration("seller", Facts("C1"), **desk.credit_fields(invoice))
    assert desk.refuse("seller", attempt) == "document.not_seller"
    desk.credit(invoice, "C1", name="agent")


def test_a_credit_note_has_the_currency_of_its_invoice(desk: Desk) -> None:
    fields = desk.credit_fields(desk.register(), currency="USD")
    assert (
        desk.refuse("seller", desk.registration("seller", Facts("C"), **fields))
        == "document.currency_differs"
    )


def test_an_invoice_without_an_amount_can_be_credited_in_any_currency(desk: Desk) -> None:
    fields = desk.credit_fields(desk.register(payable=None), currency="USD")
    desk.register(facts=Facts("C"), **fields)


def test_a_credit_note_against_an_invoice_discloses_its_amount(desk: Desk) -> None:
    fields = {**desk.credit_fields(desk.register()), "payable": None}
    assert (
        desk.refuse("seller", desk.registration("seller", Facts("C"), **fields))
        == "document.amount_undisclosed"
    )


def test_a_credit_note_credits_one_invoice(desk: Desk) -> None:
    fields = desk.credit_fields(desk.register())
    fields["references"] *= 2
    assert (
        desk.refuse("seller", desk.registration("seller", Facts("C"), **fields)) == "document.credit_invalid"
    )


def test_only_a_credit_note_credits(desk: Desk) -> None:
    fields = {**desk.credit_fields(desk.register()), "kind": "invoice"}
    assert (
        desk.refuse("seller", desk.registration("seller", Facts("C"), **fields)) == "document.credit_invalid"
    )


def test_what_does_not_stand_is_not_credited(desk: Desk) -> None:
    invoice = desk.register()
    desk.do("seller", CancelDocument(desk.ids["seller"], invoice, "mistake"))
    attempt = desk.registration("seller", Facts("C"), **desk.credit_fields(invoice))
    assert desk.refuse("seller", attempt) == "document.not_registered"


def test_other_relations_ask_nothing_of_the_document_they_name(desk: Desk) -> None:
    foreign = desk.register("agent", Facts("1", "1", "1", "1", "1"))
    references = (DocumentReference("preceding", foreign),)
    document = desk.register(kind="credit_note", references=references)
    assert desk.get(document).credits() is None
    assert desk.keeper.credit_notes_of(desk.state, foreign) == ()


def test_credit_notes_of_an_invoice_have_a_limit() -> None:
    desk = Desk(max_credit_notes=2)
    invoice = desk.register()
    first = desk.credit(invoice, "C1")
    desk.credit(invoice, "C2")
    attempt = desk.registration("seller", Facts("C3"), **desk.credit_fields(invoice))
    failure = desk.ledger.submit(attempt, keys=[Key("seller")]).failure
    assert failure is not None
    assert failure.code == "document.limit_exceeded"
    assert failure.fields == (("what", "credit notes"), ("count", 3), ("limit", 2))
    desk.do("seller", CancelDocument(desk.ids["seller"], first, "mistake"))
    desk.do("seller", attempt)


def test_the_credit_notes_of_one_invoice_are_no_limit_to_another() -> None:
    desk = Desk(max_credit_notes=1)
    first, second = desk.register(facts=Facts("1")), desk.register(facts=Facts("2"))
    desk.credit(first, "C1")
    note = desk.credit(second, "C2")
    assert [entry.document for entry in desk.keeper.credit_notes_of(desk.state, second)] == [note]
