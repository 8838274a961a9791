"""Confirmation, dispute, cancellation, supersession, amendment, naming of parties: who may, when, and what is recorded."""

import pytest

from modules.document.desk import Desk, Facts, registered, reported
from support.ledger import Key
from traco.kernel.instruction import Instruction
from traco.modules.document.events import (
    DisputeWithdrawn,
    DocumentCancelled,
    DocumentConfirmed,
    DocumentDisputed,
    DocumentSuperseded,
    PartyNamed,
)
from traco.modules.document.messages import (
    CancelDocument,
    ConfirmDocument,
    DisputeDocument,
    NamedParty,
    NameParty,
    PublicIdentifier,
    SupersedeDocument,
    WithdrawDispute,
)
from traco.modules.document.state import Confirmation, Dispute
from traco.modules.party.messages import SetStatus
from traco.modules.party.state import Identifier

BASE = Facts()
UNKNOWN = b"?" * 16
KNOWN = PublicIdentifier("9930", "DE 123")


def confirm(desk: Desk, document: bytes, amount: int | None = None, name: str = "buyer") -> ConfirmDocument:
    return ConfirmDocument(desk.ids[name], document, amount)


def dispute(desk: Desk, document: bytes, name: str = "buyer") -> DisputeDocument:
    return DisputeDocument(desk.ids[name], document, "goods-missing")


def withdraw(desk: Desk, document: bytes, name: str = "buyer") -> WithdrawDispute:
    return WithdrawDispute(desk.ids[name], document)


def cancel(desk: Desk, document: bytes, name: str = "seller") -> CancelDocument:
    return CancelDocument(desk.ids[name], document, "mistake")


def supersede(desk: Desk, document: bytes, successor: bytes, name: str = "seller") -> SupersedeDocument:
    return SupersedeDocument(desk.ids[name], document, successor)


# confirmation


def test_the_buyer_confirms_in_full(desk: Desk) -> None:
    document = desk.register()
    assert desk.keeper.is_confirmed(desk.state, document) is False
    receipt = desk.do("buyer", confirm(desk, document))
    assert receipt.events == (DocumentConfirmed(document, desk.ids["buyer"], None),)
    assert desk.get(document).confirmations == (Confirmation(desk.ids["buyer"], None),)
    assert desk.keeper.is_confirmed(desk.state, document) is True
    assert desk.keeper.confirmed_amount(desk.state, document) == 1_000


@pytest.mark.parametrize(("amount", "confirmed"), [(1, False), (999, False), (1_000, True)])
def test_only_the_whole_amount_is_a_confirmation_of_the_document(
    desk: Desk, amount: int, confirmed: bool
) -> None:
    document = desk.register()
    desk.do("buyer", confirm(desk, document, amount))
    assert desk.keeper.is_confirmed(desk.state, document) is confirmed
    assert desk.keeper.confirmed_amount(desk.state, document) == amount


def test_no_more_than_is_payable_can_be_confirmed(desk: Desk) -> None:
    document = desk.register()
    assert desk.refuse("buyer", confirm(desk, document, 1_001)) == "document.amount_exceeded"


def test_an_undisclosed_amount_is_confirmed_in_full_or_not_at_all(desk: Desk) -> None:
    document = desk.register(payable=None)
    assert desk.refuse("buyer", confirm(desk, document, 5)) == "document.amount_undisclosed"
    desk.do("buyer", confirm(desk, document))
    assert desk.keeper.is_confirmed(desk.state, document) is True
    assert desk.keeper.confirmed_amount(desk.state, document) == 0


@pytest.mark.parametrize(
    ("before", "now", "raised"),
    [(5, 6, True), (5, None, True), (5, 5, False), (5, 4, False), (None, 1_000, False), (None, None, False)],
)
def test_a_confirmation_is_raised_never_lowered(
    desk: Desk, before: int | None, now: int | None, raised: bool
) -> None:
    document = desk.register()
    desk.do("buyer", confirm(desk, document, before))
    if raised:
        desk.do("buyer", confirm(desk, document, now))
        assert desk.get(document).confirmations == (Confirmation(desk.ids["buyer"], now),)
    else:
        assert desk.refuse("buyer", confirm(desk, document, now)) == "document.confirmed_before"


def test_another_counterparty_confirms_without_confirming_the_debt(desk: Desk) -> None:
    roles = (
        NamedParty("seller", desk.ids["seller"]), NamedParty("buyer", desk.ids["buyer"]),
        NamedParty("payee", desk.ids["agent"]),
    )  # fmt: skip
    document = desk.register(roles=roles)
    desk.do("agent", confirm(desk, document, name="agent"))
    assert desk.keeper.is_confirmed(desk.state, document) is False
    assert desk.keeper.confirmed_amount(desk.state, document) == 0
    desk.do("buyer", confirm(desk, document, 7))
    confirmations = (Confirmation(desk.ids["agent"], None), Confirmation(desk.ids["buyer"], 7))
    assert desk.get(document).confirmations == confirmations
    assert desk.keeper.confirmed_amount(desk.state, document) == 7


def test_the_registrant_does_not_confirm_for_itself(desk: Desk) -> None:
    document = desk.register()
    assert desk.refuse("seller", confirm(desk, document, name="seller")) == "document.not_counterparty"


def test_who_is_not_named_does_not_confirm(desk: Desk) -> None:
    document = desk.register()
    assert desk.refuse("agent", confirm(desk, document, name="agent")) == "document.not_counterparty"


def test_a_buyer_that_registered_the_document_stands_by_its_own_debt(desk: Desk) -> None:
    document = desk.register("buyer")
    desk.do("buyer", confirm(desk, document))
    assert desk.keeper.is_confirmed(desk.state, document) is True


def test_an_unregistered_buyer_is_confirmed_by_nobody(desk: Desk) -> None:
    roles = (NamedParty("seller", desk.ids["seller"]), NamedParty("payee", desk.ids["agent"]))
    document = desk.register(roles=(*roles, NamedParty("buyer", None, KNOWN)))
    desk.do("agent", confirm(desk, document, name="agent"))
    assert desk.keeper.is_confirmed(desk.state, document) is False


def test_an_unknown_document_is_not_confirmed(desk: Desk) -> None:
    assert desk.keeper.is_confirmed(desk.state, UNKNOWN) is False
    assert desk.keeper.confirmed_amount(desk.state, UNKNOWN) == 0
    assert desk.keeper.is_disputed(desk.state, UNKNOWN) is False


# dispute


def test_a_dispute_suspends_the_confirmation_until_it_is_withdrawn(desk: Desk) -> None:
    document = desk.register()
    desk.do("buyer", confirm(desk, document))
    receipt = desk.do("buyer", dispute(desk, document))
    assert receipt.events == (DocumentDisputed(document, desk.ids["buyer"], "goods-missing"),)
    assert desk.get(document).disputes == (Dispute(desk.ids["buyer"], "goods-missing"),)
    assert desk.keeper.is_disputed(desk.state, document) is True
    assert desk.keeper.is_confirmed(desk.state, document) is False
    assert desk.keeper.confirmed_amount(desk.state, document) == 0
    receipt = desk.do("buyer", withdraw(desk, document))
    assert receipt.events == (DisputeWithdrawn(document, desk.ids["buyer"]),)
    assert desk.keeper.is_disputed(desk.state, document) is False
    assert desk.keeper.is_confirmed(desk.state, document) is True


def test_who_disputes_does_not_confirm(desk: Desk) -> None:
    document = desk.register()
    desk.do("buyer", dispute(desk, document))
    assert desk.refuse("buyer", confirm(desk, document)) == "document.dispute_open"


def test_a_party_has_one_dispute(desk: Desk) -> None:
    document = desk.register()
    desk.do("buyer", dispute(desk, document))
    assert desk.refuse("buyer", dispute(desk, document)) == "document.dispute_open"


def test_each_party_withdraws_its_own_dispute_only(desk: Desk) -> None:
    document = desk.register("agent")
    desk.do("buyer", confirm(desk, document))
    desk.do("seller", dispute(desk, document, "seller"))
    assert desk.refuse("buyer", withdraw(desk, document)) == "document.dispute_none"
    assert desk.keeper.is_confirmed(desk.state, document) is True  # the buyer itself does not dispute
    desk.do("buyer", dispute(desk, document))
    desk.do("seller", withdraw(desk, document, "seller"))
    assert desk.get(document).disputes == (Dispute(desk.ids["buyer"], "goods-missing"),)


@pytest.mark.parametrize(
    ("registrant", "name"), [("seller", "seller"), ("buyer", "buyer"), ("seller", "agent")]
)
def test_neither_the_registrant_nor_a_stranger_disputes(desk: Desk, registrant: str, name: str) -> None:
    document = desk.register(registrant)
    assert desk.refuse(name, dispute(desk, document, name)) == "document.not_counterparty"


def test_a_financed_document_can_still_be_disputed(desk: Desk) -> None:
    document = desk.register()
    desk.mark(document)
    desk.do("buyer", dispute(desk, document))
    assert desk.keeper.is_disputed(desk.state, document) is True


# cancellation and supersession


def test_the_registrant_cancels(desk: Desk) -> None:
    document = desk.register()
    receipt = desk.do("seller", cancel(desk, document))
    assert receipt.events == (DocumentCancelled(document, "mistake"),)
    assert desk.get(document).status == "cancelled"


def test_supersession_points_from_the_old_to_the_new(desk: Desk) -> None:
    old, new = desk.register(), desk.register(facts=Facts(A="EUR 900"))
    receipt = desk.do("seller", supersede(desk, old, new))
    assert receipt.events == (DocumentSuperseded(old, new),)
    assert (desk.get(old).status, desk.get(old).superseded_by) == ("superseded", new)
    assert desk.get(new).status == "registered"


def test_a_successor_at_the_limit_of_similar_documents_is_not_in_its_own_way() -> None:
    desk = Desk(max_similar=1)
    old, new = desk.register(), desk.register(facts=Facts("n", "n", "n", "n", "n"))
    desk.do("seller", supersede(desk, old, new))
    assert desk.ledger.check_invariants() == []


def test_a_document_does_not_supersede_itself(desk: Desk) -> None:
    document = desk.register()
    assert desk.refuse("seller", supersede(desk, document, document)) == "document.supersedes_itself"


def test_a_successor_is_of_the_same_kind(desk: Desk) -> None:
    old, new = desk.register(), desk.register(facts=Facts("18"), kind="bill_of_lading")
    assert desk.refuse("seller", supersede(desk, old, new)) == "document.kind_differs"


def test_only_own_documents_supersede_and_are_superseded(desk: Desk) -> None:
    own, foreign = desk.register(), desk.register("agent", Facts("18"))
    assert desk.refuse("seller", supersede(desk, own, foreign)) == "document.not_registrant"
    assert desk.refuse("seller", supersede(desk, foreign, own)) == "document.not_registrant"


def test_a_financed_document_is_neither_cancelled_nor_superseded_nor_a_successor(desk: Desk) -> None:
    financed, other = desk.register(), desk.register(facts=Facts("18"))
    desk.mark(financed)
    assert desk.refuse("seller", cancel(desk, financed)) == "document.financed"
    assert desk.refuse("seller", supersede(desk, financed, other)) == "document.financed"
    assert desk.refuse("seller", supersede(desk, other, financed)) == "document.financed"
    amendment = desk.registration("seller", Facts("19"), amends=financed)
    assert desk.refuse("seller", amendment) == "document.financed"


def test_an_amendment_supersedes_what_it_amends(desk: Desk) -> None:
    old = desk.register()
    receipt = desk.do("seller", desk.registration("seller", Facts(A="EUR 900"), amends=old))
    event = registered(receipt)
    assert (event.outcome, event.amends) == ("REGU", old)
    assert receipt.events[-1] == DocumentSuperseded(old, event.document)
    assert reported(receipt) == []  # that it resembles what it amends is no news
    assert desk.get(old).superseded_by == event.document
    assert desk.get(event.document).amends == old


def test_an_amendment_may_keep_every_fingerprinted_fact(desk: Desk) -> None:
    first = desk.register()
    second = desk.register(amends=first)
    third = desk.register(amends=second)
    assert [desk.get(entry).status for entry in (first, second, third)] == [
        "superseded", "superseded", "registered",
    ]  # fmt: skip


def test_an_amendment_that_repeats_another_document_is_a_duplicate_and_amends_nothing(desk: Desk) -> None:
    other, old = desk.register(), desk.register(facts=Facts("18"))
    event = registered(desk.do("seller", desk.registration("seller", BASE, amends=old)))
    assert (event.outcome, event.duplicate_of) == ("REDU", other)
    assert desk.get(old).status == "registered"


def test_nobody_amends_the_document_of_another(desk: Desk) -> None:
    old = desk.register()
    message = desk.registration("agent", Facts("18"), amends=old)
    assert desk.refuse("agent", message) == "document.not_registrant"


def test_an_amendment_is_of_the_same_kind(desk: Desk) -> None:
    message = desk.registration("seller", Facts("18"), amends=desk.register(), kind="bill_of_lading")
    assert desk.refuse("seller", message) == "document.kind_differs"


def test_the_facts_of_a_superseded_document_still_belong_to_its_successor(desk: Desk) -> None:
    old = desk.register()
    new = desk.register(facts=Facts(A="EUR 900"), amends=old)
    again = registered(desk.do("seller", desk.registration("seller", BASE)))
    assert (again.outcome, again.duplicate_of) == ("REDU", new)
    desk.mark(new)
    assert desk.refuse("agent", desk.registration("agent", BASE)) == "document.already_financed"


def test_the_facts_of_a_chain_of_amendments_are_all_inherited(desk: Desk) -> None:
    document = desk.register()
    for amount in ("EUR 900", "EUR 800", "EUR 700"):
        document = desk.register(facts=Facts(A=amount), amends=document)
    desk.mark(document)
    for amount in ("EUR 1000", "EUR 900", "EUR 800", "EUR 700"):
        message = desk.registration("agent", Facts(A=amount))
        assert desk.refuse("agent", message) == "document.already_financed"


def test_what_a_document_inherits_has_a_limit() -> None:
    desk = Desk(max_inherited=1)
    second = desk.register(facts=Facts("2"), amends=desk.register(facts=Facts("1")))
    message = desk.registration("seller", Facts("3"), amends=second)
    failure = desk.ledger.submit(message, keys=[Key("seller")]).failure
    assert failure is not None
    assert failure.code == "document.limit_exceeded"
    assert failure.fields == (("what", "inherited fingerprints"), ("count", 2), ("limit", 1))


def test_a_cancelled_successor_frees_what_it_inherited(desk: Desk) -> None:
    new = desk.register(facts=Facts(A="EUR 900"), amends=desk.register())
    desk.do("seller", cancel(desk, new))
    assert registered(desk.do("seller", desk.registration("seller", BASE))).outcome == "REGU"


def test_a_successor_needs_a_confirmation_of_its_own(desk: Desk) -> None:
    old = desk.register()
    desk.do("buyer", confirm(desk, old))
    new = desk.register(facts=Facts(A="EUR 900"), amends=old)
    assert desk.keeper.is_confirmed(desk.state, new) is False
    assert desk.keeper.is_confirmed(desk.state, old) is False


STATUSES = ("duplicate", "cancelled", "superseded")


def _in_status(desk: Desk, status: str) -> bytes:
    document = desk.register()
    if status == "duplicate":
        return desk.register()
    if status == "cancelled":
        desk.do("seller", cancel(desk, document))
    else:
        desk.register(facts=Facts(A="EUR 900"), amends=document)
    return document


@pytest.mark.parametrize("status", STATUSES)
def test_what_does_not_stand_is_left_alone(desk: Desk, status: str) -> None:
    document, other = _in_status(desk, status), desk.register(facts=Facts("other", "o", "o", "o", "o"))
    attempts: tuple[tuple[str, Instruction], ...] = (
        ("buyer", confirm(desk, document)), ("buyer", dispute(desk, document)),
        ("buyer", withdraw(desk, document)), ("seller", cancel(desk, document)),
        ("seller", supersede(desk, document, other)), ("seller", supersede(desk, other, document)),
        ("seller", desk.registration("seller", Facts("n", "n", "n", "n", "n"), amends=document)),
        ("seller", NameParty(desk.ids["seller"], document, "payee", desk.ids["agent"])),
    )  # fmt: skip
    assert [desk.refuse(name, message) for name, message in attempts] == ["document.not_registered"] * 8


def test_an_unknown_document_is_answered_so(desk: Desk) -> None:
    other = desk.register()
    attempts: tuple[tuple[str, Instruction], ...] = (
        ("buyer", confirm(desk, UNKNOWN)), ("buyer", dispute(desk, UNKNOWN)), ("buyer", withdraw(desk, UNKNOWN)),
        ("seller", cancel(desk, UNKNOWN)), ("seller", supersede(desk, UNKNOWN, other)),
        ("seller", supersede(desk, other, UNKNOWN)),
        ("seller", NameParty(desk.ids["seller"], UNKNOWN, "payee", desk.ids["agent"])),
        ("seller", desk.registration("seller", Facts("18"), amends=UNKNOWN)),
    )  # fmt: skip
    assert [desk.refuse(name, message) for name, message in attempts] == ["document.not_found"] * 8


def test_only_the_registrant_cancels(desk: Desk) -> None:
    document = desk.register()
    assert desk.refuse("buyer", cancel(desk, document, "buyer")) == "document.not_registrant"


# naming


def _with_unnamed_buyer(desk: Desk) -> bytes:
    return desk.register(roles=(NamedParty("seller", desk.ids["seller"]), NamedParty("buyer", None, KNOWN)))


def test_a_buyer_named_later_confirms(desk: Desk) -> None:
    document = _with_unnamed_buyer(desk)
    late = desk.join("late", identifiers=(Identifier("9930", "DE 123"),))
    receipt = desk.do("seller", NameParty(desk.ids["seller"], document, "buyer", late))
    assert receipt.events == (PartyNamed(document, "buyer", late),)
    assert desk.get(document).roles[1] == NamedParty("buyer", late, KNOWN)
    assert [entry for entry, _ in desk.keeper.by_party(desk.state, late, b"", 9)] == [document]
    desk.do("late", confirm(desk, document, name="late"))
    assert desk.keeper.is_confirmed(desk.state, document) is True


@pytest.mark.parametrize(
    "identifiers", [(), (Identifier("9930", "DE 124"),), (Identifier("9931", "DE 123"),)]
)
def test_a_party_without_the_identifier_is_not_named(desk: Desk, identifiers: tuple[Identifier, ...]) -> None:
    document = _with_unnamed_buyer(desk)
    late = desk.join("late", identifiers=identifiers)
    message = NameParty(desk.ids["seller"], document, "buyer", late)
    assert desk.refuse("seller", message) == "document.identifier_differs"


def test_only_the_registrant_names_a_party(desk: Desk) -> None:
    document = _with_unnamed_buyer(desk)
    late = desk.join("late", identifiers=(Identifier("9930", "DE 123"),))
    assert desk.refuse("late", NameParty(late, document, "buyer", late)) == "document.not_registrant"


@pytest.mark.parametrize("role", ["seller", "payee"])
def test_only_a_role_that_waits_for_a_party_is_linked(desk: Desk, role: str) -> None:
    document = _with_unnamed_buyer(desk)
    message = NameParty(desk.ids["seller"], document, role, desk.ids["agent"])
    assert desk.refuse("seller", message) == "document.role_not_found"


def test_an_unknown_or_suspended_party_is_not_named(desk: Desk) -> None:
    document = _with_unnamed_buyer(desk)
    late = desk.join("late", identifiers=(Identifier("9930", "DE 123"),))
    desk.do("operator", SetStatus(desk.ids["operator"], late, "suspended", "test"))
    for subject in (late, UNKNOWN):
        message = NameParty(desk.ids["seller"], document, "buyer", subject)
        assert desk.refuse("seller", message) == "document.party_not_active"


def test_naming_does_not_make_the_seller_its_own_buyer(desk: Desk) -> None:
    shop = desk.join("shop", identifiers=(Identifier("9930", "DE 123"),))
    document = desk.register("shop", roles=(NamedParty("seller", shop), NamedParty("buyer", None, KNOWN)))
    assert desk.refuse("shop", NameParty(shop, document, "buyer", shop)) == "document.seller_is_buyer"
