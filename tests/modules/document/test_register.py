"""Registering a document: who may, what is recorded, and every reason to refuse it but the statement's."""

from typing import Any

import pytest

from modules.document.desk import Desk, Facts, fingerprints, registered
from support.ledger import Key
from traco.kernel.codec import encode
from traco.modules.document.events import DocumentRegistered
from traco.modules.document.messages import (
    DocumentReference,
    NamedParty,
    Payable,
    PublicIdentifier,
    document_id,
)
from traco.modules.document.parameters import DocumentParameters
from traco.modules.document.state import Document, DocumentPrints
from traco.modules.document.validity import is_day
from traco.modules.party.messages import SetStatus

LIMITS = DocumentParameters()
OUTSIDER = PublicIdentifier("9930", "DE 123")


def test_a_registration_is_recorded_as_it_was_given(desk: Desk) -> None:
    reference = DocumentReference("order", desk.register(facts=Facts("9", "2025-01-01", "EUR 5", "x", "y")))
    message = desk.registration(
        "seller", issue_date="2026-03-01", due_date="2026-04-01", references=(reference,)
    )
    receipt = desk.do("seller", message)
    document = document_id(desk.ids["seller"], message.salt)
    assert receipt.events == (
        DocumentRegistered(
            document, desk.ids["seller"], "invoice", message.content_commitment, "REGU", None, None, 0, False
        ),
    )
    assert desk.get(document) == Document(
        desk.ids["seller"], "invoice", "en16931-ubl", message.content_commitment, message.roles,
        Payable("EUR", 1_000), "2026-03-01", "2026-04-01", (reference,), "registered", None, None, None, (), (),
        None, desk.ledger.application.info().height,
    )  # fmt: skip
    assert desk.keeper.prints(desk.state, document) == DocumentPrints(
        message.statement.statement.service, (fingerprints(Facts()),)
    )


def test_no_fact_of_the_document_but_the_disclosed_amount_reaches_the_ledger(desk: Desk) -> None:
    wire = encode(desk.registration("seller", Facts(N="INV-SECRET-17", S="secret seller")))
    assert b"SECRET" not in wire
    assert b"secret" not in wire


def test_any_party_named_in_it_may_register_a_document(desk: Desk) -> None:
    assert desk.get(desk.register("buyer")).registrant == desk.ids["buyer"]


def test_the_amount_need_not_be_disclosed(desk: Desk) -> None:
    assert desk.get(desk.register(payable=None)).payable is None


def test_nobody_registers_a_document_that_does_not_name_it(desk: Desk) -> None:
    roles = (NamedParty("seller", desk.ids["seller"]), NamedParty("buyer", desk.ids["buyer"]))
    assert desk.refuse("agent", desk.registration("agent", roles=roles)) == "document.registrant_not_named"


def test_a_name_by_identifier_alone_does_not_make_a_registrant(desk: Desk) -> None:
    roles = (NamedParty("seller", None, OUTSIDER), NamedParty("buyer", desk.ids["buyer"]))
    assert desk.refuse("seller", desk.registration("seller", roles=roles)) == "document.registrant_not_named"


def test_nobody_registers_in_the_name_of_another(desk: Desk) -> None:
    answer = desk.ledger.submit(desk.registration("seller"), keys=[Key("agent")])
    assert answer.failure is not None
    assert answer.failure.code == "transaction.signature_missing"


def test_a_salt_makes_one_document(desk: Desk) -> None:
    message = desk.registration("seller")
    desk.do("seller", message)
    assert desk.refuse("seller", message) == "document.id_taken"


BAD_ROLES: dict[str, tuple[str, tuple[NamedParty, ...]]] = {
    "twice": ("document.role_repeated", (NamedParty("issuer", None, OUTSIDER),) * 2),
    "nobody": ("document.role_unspecified", (NamedParty("payee"),)),
    "party and identifier": ("document.role_unspecified", (NamedParty("payee", b"?" * 16, OUTSIDER),)),
    "unknown party": ("document.party_not_active", (NamedParty("payee", b"?" * 16),)),
}


@pytest.mark.parametrize("case", BAD_ROLES)
def test_roles_must_be_right(desk: Desk, case: str) -> None:
    code, bad = BAD_ROLES[case]
    roles = (NamedParty("seller", desk.ids["seller"]), *bad)
    assert desk.refuse("seller", desk.registration("seller", roles=roles)) == code


def test_a_suspended_party_cannot_be_named(desk: Desk) -> None:
    payee = desk.join("payee")
    desk.do("operator", SetStatus(desk.ids["operator"], payee, "suspended", "test"))
    roles = (NamedParty("seller", desk.ids["seller"]), NamedParty("payee", payee))
    assert desk.refuse("seller", desk.registration("seller", roles=roles)) == "document.party_not_active"


def test_nobody_owes_itself(desk: Desk) -> None:
    roles = (NamedParty("seller", desk.ids["seller"]), NamedParty("buyer", desk.ids["seller"]))
    assert desk.refuse("seller", desk.registration("seller", roles=roles)) == "document.seller_is_buyer"


def test_seller_and_buyer_without_registration_must_differ_too(desk: Desk) -> None:
    same = (NamedParty("seller", None, OUTSIDER), NamedParty("buyer", None, OUTSIDER))
    roles = (*same, NamedParty("issuer", desk.ids["agent"]))
    assert desk.refuse("agent", desk.registration("agent", roles=roles)) == "document.seller_is_buyer"


def test_other_roles_may_coincide(desk: Desk) -> None:
    seller = desk.ids["seller"]
    roles = (NamedParty("seller", seller), NamedParty("payee", seller))
    assert desk.get(desk.register(roles=roles)).roles == roles


@pytest.mark.parametrize("field", ["issue_date", "due_date"])
def test_dates_must_exist(desk: Desk, field: str) -> None:
    fields: dict[str, Any] = {field: "2026-02-29"}
    assert desk.refuse("seller", desk.registration("seller", **fields)) == "document.date_invalid"


@pytest.mark.parametrize(
    ("value", "exists"),
    [
        ("2024-02-29", True), ("2023-02-29", False), ("2000-02-29", True), ("1900-02-29", False),
        ("2024-02-30", False), ("2026-04-30", True), ("2026-04-31", False), ("2026-01-31", True),
        ("2026-12-31", True), ("2024-03-31", True), ("2026-06-31", False), ("2026-02-28", True),
    ],
)  # fmt: skip
def test_the_calendar_is_gregorian(value: str, exists: bool) -> None:
    assert is_day(value) == exists


def _roles(desk: Desk, count: int) -> tuple[NamedParty, ...]:
    others = (NamedParty(f"role-{number}", None, OUTSIDER) for number in range(count - 1))
    return (NamedParty("seller", desk.ids["seller"]), *others)


def test_roles_have_a_limit(desk: Desk) -> None:
    desk.register(roles=_roles(desk, LIMITS.max_roles))
    too_many = desk.registration("seller", Facts("18"), roles=_roles(desk, LIMITS.max_roles + 1))
    assert desk.refuse("seller", too_many) == "document.limit_exceeded"


def test_references_have_a_limit(desk: Desk) -> None:
    order = DocumentReference("order", desk.register(facts=Facts("9", "2025-01-01", "EUR 5", "x", "y")))
    desk.register(references=(order,) * LIMITS.max_references)
    too_many = desk.registration("seller", Facts("18"), references=(order,) * (LIMITS.max_references + 1))
    assert desk.refuse("seller", too_many) == "document.limit_exceeded"


def test_a_reference_must_lead_somewhere(desk: Desk) -> None:
    message = desk.registration("seller", references=(DocumentReference("order", b"?" * 16),))
    assert desk.refuse("seller", message) == "document.not_found"


def test_a_commitment_seen_on_the_ledger_cannot_be_registered_by_another(desk: Desk) -> None:
    first = desk.registration("seller")
    desk.do("seller", first)
    copied = desk.registration(
        "agent", content_commitment=first.content_commitment, statement=first.statement
    )
    assert desk.refuse("agent", copied) == "document.commitment_taken"


def test_the_same_file_and_salt_again_by_the_same_party_is_a_duplicate(desk: Desk) -> None:
    first = desk.registration("seller")
    desk.do("seller", first)
    again = desk.registration(
        "seller", content_commitment=first.content_commitment, statement=first.statement
    )
    assert registered(desk.do("seller", again)).outcome == "REDU"
