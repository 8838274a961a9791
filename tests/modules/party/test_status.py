"""Status: who sets it, what it stops, and that closed is final; decisions about members by the council."""

import pytest

from support.founding import ALL_ROLES, Founding, founding
from support.ledger import Key
from support.probe import Both, Note, ProbeModule
from traco.modules.party.events import StatusSet
from traco.modules.party.messages import DecideStatus, RegisterParty, SetStatus
from traco.modules.party.state import PartyKey, Status

BANK = Key("bank")


@pytest.fixture
def f() -> Founding:
    return founding(["bank", "rival", "third"], [ProbeModule()], threshold=2)


@pytest.fixture
def seller(f: Founding) -> bytes:
    return f.register("seller")


def set_status(f: Founding, seller: bytes, status: Status) -> None:
    f.ledger.succeed(SetStatus(f.ids["bank"], seller, status, "reason"), keys=[BANK])


def council(f: Founding, *names: str) -> tuple[bytes, ...]:
    return tuple(f.ids[name] for name in names)


def test_a_suspended_party_cannot_act_until_reactivated(f: Founding, seller: bytes) -> None:
    receipt = f.ledger.succeed(SetStatus(f.ids["bank"], seller, "suspended", "kyc"), keys=[BANK])
    assert receipt.events == (StatusSet(seller, "suspended", "kyc"),)
    answer = f.ledger.submit(Note(seller), keys=[Key("seller")])
    assert answer.failure is not None
    assert answer.failure.fields == (("party", seller), ("reason", "kyc"))
    set_status(f, seller, "active")
    f.ledger.succeed(Note(seller), keys=[Key("seller")])


def test_a_closed_party_never_acts_again(f: Founding, seller: bytes) -> None:
    set_status(f, seller, "closed")
    assert f.ledger.reject(Note(seller), keys=[Key("seller")]) == "party.closed"
    for status in ("active", "suspended", "closed"):
        again = SetStatus(f.ids["bank"], seller, status, "reason")
        assert f.ledger.reject(again, keys=[BANK]) == "party.closed"


@pytest.mark.parametrize("position", [0, 1])
def test_every_acting_party_must_be_active(f: Founding, seller: bytes, position: int) -> None:
    buyer = f.register("buyer")
    set_status(f, seller, "suspended")
    parties = (seller, buyer) if position == 0 else (buyer, seller)
    keys = [Key("seller"), Key("buyer")]
    assert f.ledger.reject(Both(parties), keys=keys) == "party.suspended"
    assert f.ledger.reject(Note(buyer), Note(seller), keys=keys) == "party.suspended"


def test_a_status_it_has_is_refused(f: Founding, seller: bytes) -> None:
    again = SetStatus(f.ids["bank"], seller, "active", "reason")
    assert f.ledger.reject(again, keys=[BANK]) == "party.status_unchanged"


def test_another_member_cannot_set_the_status(f: Founding, seller: bytes) -> None:
    attack = SetStatus(f.ids["rival"], seller, "closed", "attack")
    assert f.ledger.reject(attack, keys=[Key("rival")]) == "party.not_sponsor"


def test_a_party_cannot_set_its_own_status(f: Founding, seller: bytes) -> None:
    attack = SetStatus(seller, seller, "closed", "attack")
    assert f.ledger.reject(attack, keys=[Key("seller")]) == "party.not_member"


def test_a_member_cannot_set_its_own_status(f: Founding) -> None:
    attack = SetStatus(f.ids["bank"], f.ids["bank"], "closed", "attack")
    assert f.ledger.reject(attack, keys=[BANK]) == "party.not_sponsor"


def test_the_status_of_nobody_cannot_be_set(f: Founding) -> None:
    attack = SetStatus(f.ids["bank"], b"?" * 16, "closed", "reason")
    assert f.ledger.reject(attack, keys=[BANK]) == "party.not_found"


def test_the_council_suspends_and_reactivates_a_member(f: Founding, seller: bytes) -> None:
    keys, parties = [Key("rival"), Key("third")], council(f, "rival", "third")
    before = f.ledger.node
    f.ledger.member, f.ledger.node = f.ids["rival"], Key("rival node")
    f.ledger.succeed(DecideStatus(parties, f.ids["bank"], "suspended", "check"), keys=keys)
    state, keeper = f.ledger.application.state, f.party.keeper
    assert not keeper.is_member(state, f.ids["bank"])
    assert keeper.member_of_node(state, before.public) is None
    new = RegisterParty(
        f.ids["bank"], f.ledger.salt(), "organisation", (PartyKey(Key("x").public, ALL_ROLES),), "x"
    )
    assert f.ledger.reject(new, keys=[BANK]) == "party.suspended"
    f.ledger.succeed(DecideStatus(parties, f.ids["bank"], "active", "checked"), keys=keys)
    assert keeper.member_of_node(f.ledger.application.state, before.public) == f.ids["bank"]
    f.ledger.succeed(new, keys=[BANK])


def test_the_council_closes_a_member_and_its_nodes(f: Founding) -> None:
    decision = DecideStatus(council(f, "rival", "bank"), f.ids["third"], "closed", "left")
    f.ledger.succeed(decision, keys=[BANK, Key("rival")])
    state = f.ledger.application.state
    assert f.party.keeper.member_of_node(state, Key("third node").public) is None
    assert f.party.keeper.party_of_key(state, Key("third").public) is None
    again = DecideStatus(council(f, "rival", "bank"), f.ids["third"], "active", "back")
    assert f.ledger.reject(again, keys=[BANK, Key("rival")]) == "party.closed"
    assert f.ledger.check_invariants() == []


def test_a_council_that_could_not_decide_any_more_is_prevented(f: Founding) -> None:
    parties, keys = council(f, "bank", "rival"), [BANK, Key("rival")]
    f.ledger.succeed(DecideStatus(parties, f.ids["third"], "suspended", "check"), keys=keys)
    for status in ("suspended", "closed"):
        last = DecideStatus(parties, f.ids["rival"], status, "check")
        assert f.ledger.reject(last, keys=keys) == "party.council_unreachable"
    f.ledger.succeed(DecideStatus(parties, f.ids["third"], "closed", "left"), keys=keys)


def test_the_council_decides_about_members_only(f: Founding, seller: bytes) -> None:
    decision = DecideStatus(council(f, "bank", "rival"), seller, "closed", "reason")
    assert f.ledger.reject(decision, keys=[BANK, Key("rival")]) == "party.not_member"


def test_the_council_cannot_decide_about_nobody(f: Founding) -> None:
    decision = DecideStatus(council(f, "bank", "rival"), b"?" * 16, "closed", "reason")
    assert f.ledger.reject(decision, keys=[BANK, Key("rival")]) == "party.not_found"


def test_too_few_council_members_decide_nothing(f: Founding) -> None:
    decision = DecideStatus(council(f, "bank"), f.ids["third"], "closed", "reason")
    assert f.ledger.reject(decision, keys=[BANK]) == "kernel.council_needed"


def test_a_council_member_counts_once(f: Founding) -> None:
    decision = DecideStatus(council(f, "bank", "bank"), f.ids["third"], "closed", "reason")
    assert f.ledger.reject(decision, keys=[BANK]) == "kernel.council_needed"


def test_others_beside_the_council_are_refused(f: Founding, seller: bytes) -> None:
    parties = (*council(f, "bank", "rival"), seller)
    decision = DecideStatus(parties, f.ids["third"], "closed", "reason")
    keys = [BANK, Key("rival"), Key("seller")]
    assert f.ledger.reject(decision, keys=keys) == "kernel.council_needed"
