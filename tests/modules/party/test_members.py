"""Nodes of members and roles granted by the council."""

import pytest

from support.founding import Founding, founding
from support.ledger import Key
from traco.modules.party.events import (
    NodeRegistered,
    NodeRetired,
    RoleGranted,
    RoleRevoked,
)
from traco.modules.party.messages import (
    GrantRole,
    RegisterNode,
    RetireNode,
    RevokeRole,
    SetStatus,
)

BANK = Key("bank")
NODE = Key("second node")


@pytest.fixture
def f() -> Founding:
    return founding(["bank", "rival"], threshold=2, roles={"bank": ["registry_operator"]})


def member_of(f: Founding, key: Key) -> bytes | None:
    return f.party.authority.member_of_node(f.ledger.application.state, key.public)


def has(f: Founding, party: bytes, role: str) -> bool:
    return f.party.keeper.has_role(f.ledger.application.state, party, role)


def test_a_registered_node_may_submit(f: Founding) -> None:
    receipt = f.ledger.succeed(RegisterNode(f.ids["bank"], NODE.public), keys=[BANK])
    assert receipt.events == (NodeRegistered(f.ids["bank"], NODE.public),)
    f.ledger.node = NODE
    f.ledger.succeed(RetireNode(f.ids["bank"], Key("bank node").public), keys=[BANK])
    assert f.ledger.check_invariants() == []


def test_a_retired_node_may_not_submit(f: Founding) -> None:
    receipt = f.ledger.succeed(RetireNode(f.ids["bank"], Key("bank node").public), keys=[BANK])
    assert receipt.events == (NodeRetired(f.ids["bank"], Key("bank node").public),)
    assert member_of(f, Key("bank node")) is None
    transaction = f.ledger.transaction([RegisterNode(f.ids["bank"], NODE.public)], BANK)
    assert f.ledger.run_block([transaction]) == []
    assert f.ledger.check_invariants() == []


def test_a_retired_node_key_can_be_registered_by_another_member(f: Founding) -> None:
    f.ledger.succeed(RegisterNode(f.ids["rival"], NODE.public), keys=[Key("rival")])
    f.ledger.succeed(RetireNode(f.ids["rival"], NODE.public), keys=[Key("rival")])
    f.ledger.succeed(RegisterNode(f.ids["bank"], NODE.public), keys=[BANK])
    assert member_of(f, NODE) == f.ids["bank"]


@pytest.mark.parametrize("name", ["bank node", "rival node"])
def test_a_node_key_in_use_is_refused(f: Founding, name: str) -> None:
    message = RegisterNode(f.ids["bank"], Key(name).public)
    assert f.ledger.reject(message, keys=[BANK]) == "party.node_taken"


def test_another_members_node_cannot_be_retired(f: Founding) -> None:
    message = RetireNode(f.ids["bank"], Key("rival node").public)
    assert f.ledger.reject(message, keys=[BANK]) == "party.node_unknown"


def test_only_members_have_nodes(f: Founding) -> None:
    seller = f.register("seller")
    for message in (RegisterNode(seller, NODE.public), RetireNode(seller, NODE.public)):
        assert f.ledger.reject(message, keys=[Key("seller")]) == "party.not_member"


def test_nodes_are_kept_in_ascending_order(f: Founding) -> None:
    nodes = [Key(f"n{number}").public for number in range(4)]
    for key in sorted(nodes, reverse=True):
        f.ledger.succeed(RegisterNode(f.ids["bank"], key), keys=[BANK])
    record = f.party.keeper.get(f.ledger.application.state, f.ids["bank"])
    assert record is not None
    assert record.membership is not None
    assert record.membership.nodes == tuple(sorted([*nodes, Key("bank node").public]))


def test_a_node_key_must_be_a_key(f: Founding) -> None:
    message = RegisterNode(f.ids["bank"], b"\x01" + b"\0" * 32)
    assert f.ledger.reject(message, keys=[BANK]) == "party.key_wrong"


def test_nodes_are_limited(f: Founding) -> None:
    for number in range(15):
        f.ledger.succeed(RegisterNode(f.ids["bank"], Key(f"n{number}").public), keys=[BANK])
    assert f.ledger.reject(RegisterNode(f.ids["bank"], NODE.public), keys=[BANK]) == "party.limit_exceeded"


def test_nobody_has_a_role_by_default(f: Founding) -> None:
    seller = f.register("seller")
    assert [has(f, party, "authority") for party in (seller, f.ids["bank"], b"?" * 16)] == [False] * 3


def test_the_genesis_gives_roles(f: Founding) -> None:
    assert has(f, f.ids["bank"], "registry_operator")
    assert not has(f, f.ids["rival"], "registry_operator")


def test_the_council_grants_and_revokes_roles(f: Founding) -> None:
    seller = f.register("seller")
    parties, keys = (f.ids["bank"], f.ids["rival"]), [BANK, Key("rival")]
    receipt = f.ledger.succeed(
        GrantRole(parties, seller, "cash_operator"), GrantRole(parties, seller, "authority"), keys=keys
    )
    assert receipt.events == (RoleGranted(seller, "cash_operator"), RoleGranted(seller, "authority"))
    record = f.party.keeper.get(f.ledger.application.state, seller)
    assert record is not None
    assert record.roles == ("authority", "cash_operator")
    receipt = f.ledger.succeed(RevokeRole(parties, seller, "cash_operator"), keys=keys)
    assert receipt.events == (RoleRevoked(seller, "cash_operator"),)
    assert (has(f, seller, "cash_operator"), has(f, seller, "authority")) == (False, True)


def test_a_role_is_granted_once_and_revoked_once(f: Founding) -> None:
    parties, keys = (f.ids["bank"], f.ids["rival"]), [BANK, Key("rival")]
    again = GrantRole(parties, f.ids["bank"], "registry_operator")
    assert f.ledger.reject(again, keys=keys) == "party.role_held"
    absent = RevokeRole(parties, f.ids["rival"], "registry_operator")
    assert f.ledger.reject(absent, keys=keys) == "party.role_not_held"


@pytest.mark.parametrize("kind", [GrantRole, RevokeRole])
def test_roles_are_the_councils_alone(f: Founding, kind: type[GrantRole] | type[RevokeRole]) -> None:
    alone = kind((f.ids["bank"],), f.ids["bank"], "authority")
    assert f.ledger.reject(alone, keys=[BANK]) == "kernel.council_needed"
    seller = f.register("seller")
    foreign = kind((f.ids["bank"], seller), f.ids["bank"], "authority")
    assert f.ledger.reject(foreign, keys=[BANK, Key("seller")]) == "kernel.council_needed"


@pytest.mark.parametrize("kind", [GrantRole, RevokeRole])
def test_nobody_has_no_roles(f: Founding, kind: type[GrantRole] | type[RevokeRole]) -> None:
    message = kind((f.ids["bank"], f.ids["rival"]), b"?" * 16, "authority")
    assert f.ledger.reject(message, keys=[BANK, Key("rival")]) == "party.not_found"


def test_a_suspended_partys_roles_do_not_count_and_can_be_revoked(f: Founding) -> None:
    seller = f.register("seller")
    parties, keys = (f.ids["bank"], f.ids["rival"]), [BANK, Key("rival")]
    f.ledger.succeed(GrantRole(parties, seller, "authority"), keys=keys)
    f.ledger.succeed(SetStatus(f.ids["bank"], seller, "suspended", "check"), keys=[BANK])
    assert not has(f, seller, "authority")
    assert f.ledger.reject(GrantRole(parties, seller, "cash_operator"), keys=keys) == "party.suspended"
    f.ledger.succeed(RevokeRole(parties, seller, "authority"), keys=keys)
