"""Queries on committed state, and parties as of a height."""

import pytest

from support.founding import ALL_ROLES, Founding, founding, lei
from support.ledger import Key
from traco.modules.party import queries
from traco.modules.party.messages import BeginRecovery, ChangeKeys, SetStatus
from traco.modules.party.state import Council, Identifier, PartyKey, Policy

BANK = Key("bank")


@pytest.fixture
def f() -> Founding:
    return founding(["bank"], parameters={"kernel": {"history_horizon": 5}})


def test_a_party_is_found_by_id_lei_and_identifier(f: Founding) -> None:
    identifiers = (Identifier("0199", lei(1)), Identifier("x", "1"))
    seller = f.register("seller", identifiers=identifiers)
    view = f.ledger.query("party.get", queries.GetParty(seller))
    assert (view.id, view.party.name) == (seller, "seller")
    assert f.ledger.query("party.by_lei", queries.GetPartyByLei(lei(1))) == view
    for identifier in identifiers:
        page = f.ledger.query("party.by_identifier", queries.ListPartiesByIdentifier(identifier))
        assert page == queries.PartyPage((view,), None)


def test_what_is_not_there_is_none(f: Founding) -> None:
    asked = {
        "party.get": queries.GetParty(b"?" * 16),
        "party.by_lei": queries.GetPartyByLei(lei(9)),
        "party.at_height": queries.GetPartyAtHeight(b"?" * 16, 0),
        "party.of_key": queries.GetPartyOfKey(Key("x").public),
        "party.of_node": queries.GetMemberOfNode(Key("x").public),
        "party.recovery": queries.GetRecovery(b"?" * 16),
    }
    assert [f.ledger.query(name, request) for name, request in asked.items()] == [None] * 6
    request = queries.ListPartiesByIdentifier(Identifier("x", "1"))
    assert f.ledger.query("party.by_identifier", request) == queries.PartyPage((), None)


def test_parties_by_identifier_are_limited_and_end_with_the_identifier(f: Founding) -> None:
    shared, other = Identifier("x", "1"), Identifier("x", "2")
    shared_by = sorted(f.register(f"p{n}", identifiers=(shared,)) for n in range(3))
    f.register("other", identifiers=(other,))
    for limit in (2, 3, 4):
        request = queries.ListPartiesByIdentifier(shared, limit)
        page = f.ledger.query("party.by_identifier", request)
        assert [view.id for view in page.parties] == shared_by[:limit]


def test_a_closed_party_is_found_by_its_id_alone(f: Founding) -> None:
    identifiers = (Identifier("0199", lei(1)), Identifier("x", "1"))
    seller = f.register("seller", identifiers=identifiers)
    f.ledger.succeed(SetStatus(f.ids["bank"], seller, "closed", "ended"), keys=[BANK])
    assert f.ledger.query("party.get", queries.GetParty(seller)).party.status == "closed"
    assert f.ledger.query("party.by_lei", queries.GetPartyByLei(lei(1))) is None
    assert f.ledger.query("party.of_key", queries.GetPartyOfKey(Key("seller").public)) is None
    for identifier in identifiers:
        page = f.ledger.query("party.by_identifier", queries.ListPartiesByIdentifier(identifier))
        assert page.parties == ()


def test_pages_give_every_party_once_in_order(f: Founding) -> None:
    every = sorted([f.ids["bank"], *(f.register(f"p{n}") for n in range(4))])
    for limit in (1, 2, 3, 5, 6):
        found, after = [], None
        while True:
            page = f.ledger.query("party.list", queries.ListParties(after, limit))
            found += [view.id for view in page.parties]
            assert len(page.parties) <= limit
            after = page.next_after
            if after is None:
                break
        assert found == every


def test_whose_key_it_is_comes_with_its_roles(f: Founding) -> None:
    seller = f.register("seller")
    extra = PartyKey(Key("extra").public, ("read",))
    f.ledger.succeed(ChangeKeys(seller, add=(extra,)), keys=[Key("seller")])
    view = f.ledger.query("party.of_key", queries.GetPartyOfKey(extra.key))
    assert view == queries.KeyView(seller, ("read",))


def test_a_reserved_key_is_nobodys(f: Founding) -> None:
    seller = f.register("seller")
    key = PartyKey(Key("new").public, ALL_ROLES)
    f.ledger.succeed(BeginRecovery(f.ids["bank"], seller, (key,)), keys=[BANK])
    assert f.ledger.query("party.of_key", queries.GetPartyOfKey(key.key)) is None
    recovery = f.ledger.query("party.recovery", queries.GetRecovery(seller))
    assert (recovery.sponsor, recovery.keys, recovery.policy) == (f.ids["bank"], (key,), Policy())


def test_council_and_nodes_are_answered(f: Founding) -> None:
    assert f.ledger.query("party.council", queries.GetCouncil()) == Council((f.ids["bank"],), 1)
    assert f.ledger.query("party.of_node", queries.GetMemberOfNode(Key("bank node").public)) == f.ids["bank"]


def test_a_party_is_read_as_of_each_height_within_the_horizon(f: Founding) -> None:
    seller = f.register("seller")
    start = f.ledger.application.info().height
    for status in ("suspended", "active", "suspended"):
        f.ledger.succeed(SetStatus(f.ids["bank"], seller, status, "r"), keys=[BANK])

    def status_at(height: int) -> str | None:
        view = f.ledger.query("party.at_height", queries.GetPartyAtHeight(seller, height))
        return None if view is None else view.party.status

    expected = [None, "active", "suspended", "active", "suspended", "suspended"]
    assert [status_at(start + offset) for offset in range(-1, 5)] == expected
    for _ in range(8):
        f.ledger.run_block()
    f.ledger.succeed(SetStatus(f.ids["bank"], seller, "closed", "r"), keys=[BANK])
    assert [status_at(start + offset) for offset in range(3)] == [None, None, None]
    assert status_at(f.ledger.application.info().height - 1) == "suspended"
