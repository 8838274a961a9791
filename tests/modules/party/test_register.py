"""Registration of parties: what is kept, and every reason to refuse."""

from typing import Any

import pytest

from support.founding import ALL_ROLES, Founding, founding, lei
from support.ledger import Key
from traco.kernel.codec import encode
from traco.modules.party.events import PartyRegistered
from traco.modules.party.messages import RegisterParty, SetStatus, party_id
from traco.modules.party.state import (
    Identifier,
    Party,
    PartyKey,
    Policy,
    PolicyRule,
)

A = Key("a")


@pytest.fixture
def f() -> Founding:
    return founding(["bank", "rival"])


def message(f: Founding, sponsor: str = "bank", **fields: Any) -> RegisterParty:
    values: dict[str, Any] = {
        "party": f.ids[sponsor], "salt": f.ledger.salt(), "kind": "organisation", "name": "Example Seller Ltd",
        "keys": (PartyKey(A.public, ALL_ROLES),), **fields,
    }  # fmt: skip
    return RegisterParty(**values)


def reject(f: Founding, sponsor: str = "bank", **fields: Any) -> str:
    return f.ledger.reject(message(f, sponsor, **fields), keys=[f.keys[sponsor]])


def succeed(f: Founding, sponsor: str = "bank", **fields: Any) -> bytes:
    given = message(f, sponsor, **fields)
    receipt = f.ledger.succeed(given, keys=[f.keys[sponsor]])
    identity = party_id(given.party, given.salt)
    assert receipt.events == (PartyRegistered(identity, given.party, given.kind),)
    assert f.ledger.check_invariants() == []
    return identity


def test_an_organisation_is_kept_as_given(f: Founding) -> None:
    identifier = Identifier("0199", lei(1))
    policy = Policy(1, (PolicyRule("note", 1),))
    identity = succeed(f, country="DE", identifiers=(identifier,), policy=policy)
    expected = Party(
        "organisation", f.ids["bank"], "active", "", "Example Seller Ltd", "DE", None, None, (identifier,),
        (PartyKey(A.public, ALL_ROLES),), policy, (), None,
    )  # fmt: skip
    assert f.party.keeper.get(f.ledger.application.state, identity) == expected


def test_a_person_is_kept_as_a_commitment_only(f: Founding) -> None:
    identity = succeed(f, kind="person", name=None, commitment=b"c" * 32)
    record = f.party.keeper.get(f.ledger.application.state, identity)
    assert record is not None
    assert (record.kind, record.commitment, record.name) == ("person", b"c" * 32, None)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "organisation", "name": None},
        {"kind": "organisation", "commitment": b"c" * 32},
        {"kind": "organisation", "parent": b"p" * 16},
        {"kind": "branch"},
        {"kind": "branch", "name": None, "parent": b"p" * 16},
        {"kind": "branch", "parent": b"p" * 16, "commitment": b"c" * 32},
        {"kind": "person", "name": None},
        {"kind": "person", "commitment": b"c" * 32},
        {"kind": "person", "name": None, "commitment": b"c" * 32, "country": "DE"},
        {"kind": "person", "name": None, "commitment": b"c" * 32, "parent": b"p" * 16},
        {
            "kind": "person", "name": None, "commitment": b"c" * 32,
            "identifiers": (Identifier("0088", "5790000435975"),),
        },
    ],
)  # fmt: skip
def test_fields_that_do_not_belong_to_the_kind_are_refused(f: Founding, fields: dict[str, Any]) -> None:
    assert reject(f, **fields) == "party.kind_mismatch"


def test_a_branch_belongs_to_an_organisation_of_the_same_sponsor(f: Founding) -> None:
    parent = f.register("parent")
    branch = succeed(f, kind="branch", parent=parent)
    record = f.party.keeper.get(f.ledger.application.state, branch)
    assert record is not None
    assert record.parent == parent


def test_a_founding_member_can_be_the_parent_of_its_own_branch(f: Founding) -> None:
    succeed(f, kind="branch", parent=f.ids["bank"])


def test_a_branch_of_another_sponsors_organisation_is_refused(f: Founding) -> None:
    parent = f.register("parent")
    assert reject(f, "rival", kind="branch", parent=parent) == "party.not_parent"


def test_a_branch_of_a_branch_is_refused(f: Founding) -> None:
    branch = succeed(f, kind="branch", parent=f.ids["bank"])
    other = (PartyKey(Key("b").public, ALL_ROLES),)
    assert reject(f, kind="branch", parent=branch, keys=other) == "party.not_parent"


def test_a_branch_of_nobody_is_refused(f: Founding) -> None:
    assert reject(f, kind="branch", parent=b"p" * 16) == "party.not_found"


def test_a_branch_of_a_suspended_organisation_is_refused(f: Founding) -> None:
    parent = f.register("parent")
    f.ledger.succeed(SetStatus(f.ids["bank"], parent, "suspended", "check"), keys=[f.keys["bank"]])
    assert reject(f, kind="branch", parent=parent) == "party.suspended"


def test_a_party_that_is_no_member_cannot_vouch(f: Founding) -> None:
    seller = f.register("seller")
    given = RegisterParty(seller, f.ledger.salt(), "organisation", (PartyKey(A.public, ALL_ROLES),), "x")
    assert f.ledger.reject(given, keys=[Key("seller")]) == "party.not_member"


def test_another_members_name_cannot_be_used_to_vouch(f: Founding) -> None:
    assert f.ledger.reject(message(f), keys=[f.keys["rival"]]) == "transaction.signature_missing"


def test_a_salt_is_used_once(f: Founding) -> None:
    given = message(f)
    again = message(f, salt=given.salt, keys=(PartyKey(Key("b").public, ALL_ROLES),))
    f.ledger.succeed(given, keys=[f.keys["bank"]])
    assert f.ledger.reject(again, keys=[f.keys["bank"]]) == "party.exists"


def test_another_sponsor_gets_another_id_for_the_same_salt(f: Founding) -> None:
    given = message(f)
    f.ledger.succeed(given, keys=[f.keys["bank"]])
    succeed(f, "rival", salt=given.salt, keys=(PartyKey(Key("b").public, ALL_ROLES),))


def test_two_open_parties_with_one_lei_are_refused(f: Founding) -> None:
    f.register("seller", identifiers=(Identifier("0199", lei(1)),))
    assert reject(f, "rival", identifiers=(Identifier("0199", lei(1)),)) == "party.lei_taken"


def test_the_lei_of_a_suspended_party_stays_taken(f: Founding) -> None:
    seller = f.register("seller", identifiers=(Identifier("0199", lei(1)),))
    f.ledger.succeed(SetStatus(f.ids["bank"], seller, "suspended", "check"), keys=[f.keys["bank"]])
    assert reject(f, identifiers=(Identifier("0199", lei(1)),)) == "party.lei_taken"


def test_the_lei_of_a_closed_party_is_free_again(f: Founding) -> None:
    seller = f.register("seller", identifiers=(Identifier("0199", lei(1)),))
    f.ledger.succeed(SetStatus(f.ids["bank"], seller, "closed", "ended"), keys=[f.keys["bank"]])
    assert f.party.keeper.party_by_lei(f.ledger.application.state, lei(1)) is None
    again = succeed(f, "rival", identifiers=(Identifier("0199", lei(1)),))
    assert f.party.keeper.party_by_lei(f.ledger.application.state, lei(1)) == again


def test_other_identifiers_may_be_shared(f: Founding) -> None:
    shared = Identifier("0088", "5790000435975")
    first = f.register("seller", identifiers=(shared,))
    second = succeed(f, identifiers=(shared,))
    found = f.party.keeper.parties_by_identifier(f.ledger.application.state, shared, 10)
    assert found == tuple(sorted((first, second)))


@pytest.mark.parametrize(
    ("identifiers", "code"),
    [
        ((Identifier("0199", lei(1)[:-1]),), "party.identifier_wrong"),
        ((Identifier("0199", lei(1)[:-2] + "00"),), "party.identifier_wrong"),
        ((Identifier("0088", "5790000435974"),), "party.identifier_wrong"),
        ((Identifier("0199", lei(1)), Identifier("0199", lei(2))), "party.identifier_repeated"),
        ((Identifier("x", "1"), Identifier("x", "1")), "party.identifier_repeated"),
        (tuple(Identifier("x", str(n)) for n in range(9)), "party.limit_exceeded"),
    ],
)
def test_wrong_identifiers_are_refused(f: Founding, identifiers: tuple[Identifier, ...], code: str) -> None:
    assert reject(f, identifiers=identifiers) == code


def test_as_many_identifiers_as_the_limit_are_accepted(f: Founding) -> None:
    succeed(f, identifiers=tuple(Identifier("x", str(n)) for n in range(8)))


@pytest.mark.parametrize("value", ["", " x", "x ", "x" * 65, "ä", "a\nb"])
def test_identifier_values_are_short_printable_ascii(f: Founding, value: str) -> None:
    assert reject(f, identifiers=(Identifier("x", value),)) == "transaction.malformed"


@pytest.mark.parametrize("value", ["x", "a b", "x" * 64, "!~"])
def test_identifier_values_at_the_bounds_are_accepted(f: Founding, value: str) -> None:
    succeed(f, identifiers=(Identifier("x", value),))


def test_a_key_of_another_party_is_refused(f: Founding) -> None:
    f.register("seller")
    taken = (PartyKey(Key("seller").public, ALL_ROLES),)
    assert reject(f, "rival", keys=taken) == "party.key_taken"


def test_the_same_key_twice_is_refused(f: Founding) -> None:
    twice = (PartyKey(A.public, ("sign",)), PartyKey(A.public, ("administer",)))
    assert reject(f, keys=twice) == "party.key_repeated"


@pytest.mark.parametrize("key", [b"\x01" + b"\0" * 32, b"\x03" + b"k" * 32, b"\x01" + b"k" * 33])
def test_bytes_that_are_no_key_are_refused(f: Founding, key: bytes) -> None:
    assert reject(f, keys=(PartyKey(key, ALL_ROLES),)) == "party.key_wrong"


@pytest.mark.parametrize(
    ("roles", "allowed"), [(("sign", "read"), False), (("administer", "read"), False), (ALL_ROLES, True)]
)
def test_one_key_must_sign_and_one_administer(f: Founding, roles: Any, allowed: bool) -> None:
    keys = (PartyKey(A.public, roles),)
    if allowed:
        succeed(f, keys=keys)
    else:
        assert reject(f, keys=keys) == "party.policy_unreachable"


def test_a_party_without_keys_is_refused(f: Founding) -> None:
    assert reject(f, keys=()) == "party.policy_unreachable"


@pytest.mark.parametrize(("count", "allowed"), [(16, True), (17, False)])
def test_keys_are_limited(f: Founding, count: int, allowed: bool) -> None:
    keys = tuple(PartyKey(Key(f"k{n}").public, ALL_ROLES) for n in range(count))
    if allowed:
        succeed(f, keys=keys)
    else:
        assert reject(f, keys=keys) == "party.limit_exceeded"


def test_keys_and_roles_are_stored_in_one_order(f: Founding) -> None:
    given = (PartyKey(Key("b").public, ("read", "administer", "sign")), PartyKey(A.public, ("read", "read")))
    identity = succeed(f, keys=given)
    record = f.party.keeper.get(f.ledger.application.state, identity)
    assert record is not None
    expected = [PartyKey(Key("b").public, ALL_ROLES), PartyKey(A.public, ("read",))]
    assert record.keys == tuple(sorted(expected, key=lambda entry: entry.key))


def test_a_party_can_be_registered_and_act_in_one_transaction(f: Founding) -> None:
    given = message(f)
    status = SetStatus(f.ids["bank"], party_id(given.party, given.salt), "suspended", "check")
    f.ledger.succeed(given, status, keys=[f.keys["bank"]])


def test_the_wire_form_is_pinned() -> None:
    given = RegisterParty(
        b"p" * 16, b"s" * 16, "organisation", (PartyKey(b"\x01" + b"k" * 32, ("sign",)),), "x", "DE",
        policy=Policy(2, (PolicyRule("*", 1),)),
    )  # fmt: skip
    expected = (
        "9bb070617274792e72656769737465722f31c410" + "70" * 16 + "c410" + "73" * 16
        + "ac6f7267616e69736174696f6e9192c42101" + "6b" * 32 + "91a47369676ea178a24445c0c090" + "92029193a12a01c0"
    )  # fmt: skip
    assert encode(given).hex() == expected
