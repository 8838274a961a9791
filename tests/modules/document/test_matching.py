"""What a registration matches and what becomes of it: the table of statuses, row by row."""

from typing import NamedTuple

import pytest

from modules.document.desk import Desk, Facts, Unmark, registered, reported
from traco.modules.document.events import DocumentMatched, DocumentRegistered
from traco.modules.document.messages import CancelDocument, Match, Matches, document_id
from traco.modules.document.state import MATCH_BOUND
from traco.modules.document.statement import Strength

BASE = Facts()
ONE_CHANGED = {
    "number": Facts(N="18"), "date": Facts(D="2026-03-02"), "amount": Facts(A="EUR 1001"),
    "seller": Facts(S="other"), "buyer": Facts(B="other"),
}  # fmt: skip
TWO_CHANGED = {
    "date and amount": (Facts(D="x", A="x"), (0,)), "seller and buyer": (Facts(S="x", B="x"), (1,)),
    "date and seller": (Facts(D="x", S="x"), (2,)), "amount and seller": (Facts(A="x", S="x"), (3,)),
    "date, amount and buyer": (Facts(D="x", A="x", B="x"), (0,)),
}  # fmt: skip
UNRELATED = {"number and date": Facts(N="x", D="x"), "all": Facts("x", "x", "x", "x", "x")}


class Row(NamedTuple):
    """A row of the table: what is registered after BASE, by whom, whether BASE is financed, and the answer."""

    facts: Facts
    name: str
    financed: bool
    outcome: str
    strength: Strength | None


TABLE = {
    "exact, same applicant": Row(BASE, "seller", False, "REDU", "exact"),
    "exact, another applicant": Row(BASE, "agent", False, "REGU", "exact"),
    "exact, same applicant, financed": Row(BASE, "seller", True, "DFIN", None),
    "exact, another applicant, financed": Row(BASE, "agent", True, "DFIN", None),
    "strong, same applicant": Row(ONE_CHANGED["date"], "seller", False, "REGU", "strong"),
    "strong, another applicant": Row(ONE_CHANGED["date"], "agent", False, "REGU", "strong"),
    "strong, same applicant, financed": Row(ONE_CHANGED["date"], "seller", True, "REGU", "strong"),
    "strong, another applicant, financed": Row(ONE_CHANGED["date"], "agent", True, "REGU", "strong"),
    "weak, same applicant": Row(Facts(D="x", A="x"), "seller", False, "REGU", "weak"),
    "weak, another applicant": Row(Facts(D="x", A="x"), "agent", False, "REGU", "weak"),
    "weak, same applicant, financed": Row(Facts(D="x", A="x"), "seller", True, "REGU", "weak"),
    "weak, another applicant, financed": Row(Facts(D="x", A="x"), "agent", True, "REGU", "weak"),
    "nothing in common": Row(UNRELATED["all"], "agent", False, "REGU", None),
}


@pytest.mark.parametrize("case", TABLE)
def test_the_table_of_statuses(desk: Desk, case: str) -> None:
    row = TABLE[case]
    first = desk.register(facts=BASE)
    if row.financed:
        desk.mark(first)
    message = desk.registration(row.name, row.facts)
    if row.outcome == "DFIN":
        assert desk.refuse(row.name, message) == "document.already_financed"
        return
    receipt = desk.do(row.name, message)
    event = registered(receipt)
    duplicate = row.outcome == "REDU"
    assert (event.outcome, event.duplicate_of) == (row.outcome, first if duplicate else None)
    assert desk.get(event.document).status == ("duplicate" if duplicate else "registered")
    found = [
        (match.document, match.registrant, match.strength, match.financed) for match in reported(receipt)
    ]
    expected = [] if row.strength is None else [(first, desk.ids["seller"], row.strength, row.financed)]
    assert found == expected
    assert event.matched == len(expected)


def test_a_match_is_reported_with_both_documents_and_both_registrants(desk: Desk) -> None:
    first = desk.register(facts=BASE)
    message = desk.registration("agent", BASE)
    receipt = desk.do("agent", message)
    second = document_id(desk.ids["agent"], message.salt)
    match = Match(first, desk.ids["seller"], "exact", (0,), False)
    assert receipt.events[1:] == (DocumentMatched(second, desk.ids["agent"], match),)


@pytest.mark.parametrize(("position", "changed"), list(enumerate(ONE_CHANGED)))
def test_one_changed_fact_is_a_strong_match_that_says_which(desk: Desk, position: int, changed: str) -> None:
    first = desk.register(facts=BASE)
    receipt = desk.do("agent", desk.registration("agent", ONE_CHANGED[changed]))
    assert reported(receipt) == [Match(first, desk.ids["seller"], "strong", (position,), False)]


@pytest.mark.parametrize("changed", TWO_CHANGED)
def test_two_changed_facts_are_a_weak_match_where_the_number_agrees(desk: Desk, changed: str) -> None:
    facts, positions = TWO_CHANGED[changed]
    first = desk.register(facts=BASE)
    receipt = desk.do("agent", desk.registration("agent", facts))
    assert reported(receipt) == [Match(first, desk.ids["seller"], "weak", positions, False)]


@pytest.mark.parametrize("changed", UNRELATED)
def test_without_facts_in_common_nothing_is_reported(desk: Desk, changed: str) -> None:
    desk.register(facts=BASE)
    assert reported(desk.do("agent", desk.registration("agent", UNRELATED[changed]))) == []


def test_a_match_under_two_key_versions_is_reported_once(desk: Desk) -> None:
    first = desk.register(facts=BASE, versions=(2, 1))
    receipt = desk.do("agent", desk.registration("agent", BASE, versions=(2, 1)))
    assert reported(receipt) == [Match(first, desk.ids["seller"], "exact", (0,), False)]


def test_every_position_of_the_strongest_agreement_is_reported(desk: Desk) -> None:
    plain = desk.registration("seller", BASE)
    weak_only = Facts(N=BASE.N, S=BASE.S, D="x", A=BASE.A, B=BASE.B)
    desk.do("seller", plain)
    receipt = desk.do("agent", desk.registration("agent", weak_only))
    assert [(match.strength, match.positions) for match in reported(receipt)] == [("strong", (1,))]
    both = desk.registration("agent", Facts(N=BASE.N, D="y", A=BASE.A, S="y", B=BASE.B))
    found = {match.registrant: match.positions for match in reported(desk.do("agent", both))}
    assert found == {desk.ids["seller"]: (2,), desk.ids["agent"]: (2,)}


def test_financed_matches_come_first_then_the_strongest_then_by_id(desk: Desk) -> None:
    exact = desk.register(facts=BASE)
    strong = sorted(desk.register("buyer", ONE_CHANGED[name]) for name in ("date", "amount"))
    weak = desk.register("seller", Facts(D="x", A="x"))
    desk.mark(weak)
    probe = desk.register("agent", BASE)
    found = desk.keeper.matches(desk.state, probe)
    assert [match.document for match in found] == [weak, exact, *strong]
    assert [match.financed for match in found] == [True, False, False, False]


def test_a_cancelled_document_matches_nothing_and_may_be_registered_anew(desk: Desk) -> None:
    first = desk.register(facts=BASE)
    desk.do("seller", CancelDocument(desk.ids["seller"], first, "mistake"))
    receipt = desk.do("seller", desk.registration("seller", BASE))
    assert registered(receipt).outcome == "REGU"
    assert reported(receipt) == []


def test_a_duplicate_is_not_found_itself(desk: Desk) -> None:
    first = desk.register(facts=BASE)
    desk.register(facts=BASE)
    receipt = desk.do("agent", desk.registration("agent", BASE))
    assert [match.document for match in reported(receipt)] == [first]


def test_after_the_first_is_cancelled_its_duplicate_does_not_stand_in_the_way(desk: Desk) -> None:
    first = desk.register(facts=BASE)
    duplicate = desk.register(facts=BASE)
    desk.do("seller", CancelDocument(desk.ids["seller"], first, "mistake"))
    assert desk.get(duplicate).status == "duplicate"
    assert registered(desk.do("seller", desk.registration("seller", BASE))).outcome == "REGU"


def test_a_second_duplicate_points_at_the_first_registration_too(desk: Desk) -> None:
    first = desk.register(facts=BASE)
    desk.register(facts=BASE)
    assert registered(desk.do("seller", desk.registration("seller", BASE))).duplicate_of == first


def test_what_is_no_longer_financed_no_longer_refuses(desk: Desk) -> None:
    first = desk.register(facts=BASE)
    desk.mark(first)
    desk.do("operator", Unmark(desk.ids["operator"], first))
    assert registered(desk.do("agent", desk.registration("agent", BASE))).outcome == "REGU"


def test_within_one_transaction_the_second_is_the_duplicate(desk: Desk) -> None:
    one, two = desk.registration("seller", BASE), desk.registration("seller", BASE)
    receipt = desk.do("seller", one, two)
    outcomes = [event.outcome for event in receipt.events if isinstance(event, DocumentRegistered)]
    assert outcomes == ["REGU", "REDU"]


def test_one_party_cannot_fill_an_index() -> None:
    desk = Desk(max_similar=2)
    similar = [Facts(D=f"d{number}", A=f"a{number}", B=f"b{number}") for number in range(3)]
    desk.register("agent", similar[0])
    desk.register("agent", similar[1])
    assert desk.refuse("agent", desk.registration("agent", similar[2])) == "document.index_full"
    desk.register("seller", BASE)  # the flood of one party is no other's limit
    assert desk.ledger.check_invariants() == []


def test_cancelling_makes_room_in_the_index() -> None:
    desk = Desk(max_similar=1)
    first = desk.register("agent", BASE)
    assert desk.refuse("agent", desk.registration("agent", Facts(D="x"))) == "document.index_full"
    desk.do("agent", CancelDocument(desk.ids["agent"], first, "mistake"))
    desk.register("agent", Facts(D="x"))


def test_an_amendment_takes_the_room_of_what_it_amends() -> None:
    desk = Desk(max_similar=1)
    desk.register(facts=Facts(A="EUR 900"), amends=desk.register())
    assert desk.ledger.check_invariants() == []


def test_an_amended_credit_note_takes_the_place_of_the_first() -> None:
    desk = Desk(max_credit_notes=1)
    invoice = desk.register()
    desk.credit(invoice, "C1", 20, amends=desk.credit(invoice, "C1", 10))
    assert desk.ledger.check_invariants() == []


def _flood(desk: Desk, count: int) -> list[bytes]:
    """``count`` documents that share the number and the seller, two for each of several parties."""
    flood = []
    for number in range(count):
        name = f"flooder {number // 2}"
        if name not in desk.ids:
            desk.join(name)
        flood.append(desk.register(name, Facts(D=f"d{number}", A=f"a{number}", B=f"b{number}")))
    return flood


def test_matches_are_reported_up_to_the_bound_and_say_that_there_are_more() -> None:
    desk = Desk(max_similar=2)
    flood = _flood(desk, MATCH_BOUND)
    probe = desk.registration("seller", Facts(D="z", A="z", B="z"))
    receipt = desk.do("seller", probe)
    assert sorted(match.document for match in reported(receipt)) == sorted(flood)
    assert registered(receipt).truncated is False
    second = desk.do("buyer", desk.registration("buyer", Facts(D="y", A="y", B="y")))
    assert len(reported(second)) == MATCH_BOUND
    assert registered(second).truncated is True


def test_a_flood_cannot_hide_a_financed_document() -> None:
    desk = Desk(max_similar=2)
    flood = _flood(desk, MATCH_BOUND + 2)
    financed = max(flood, key=lambda document: (desk.get(document).registrant, document))  # last in the index
    desk.mark(financed)
    probe = desk.register("seller", Facts(D="z", A="z", B="z"))
    assert desk.keeper.matches(desk.state, probe)[0].document == financed
    found = desk.keeper.already_financed_partial(desk.state, probe)
    assert [match.document for match in found] == [financed]


def test_an_unknown_document_matches_nothing(desk: Desk) -> None:
    assert desk.keeper.all_matches(desk.state, b"?" * 16) == Matches((), False)
