"""What the register of nodes answers."""

import pytest

from modules.network.desk import Desk, Node
from traco.modules.network.queries import (
    GetNode,
    GetNodeAtHeight,
    GetPlacement,
    GetValidators,
    ListNodes,
    NodePage,
    PlaceShare,
    Spread,
    Validators,
)
from traco.modules.network.state import Placement


def test_nodes_come_in_pages_in_order_of_their_keys(desk: Desk) -> None:
    desk.admit("new")
    keys = sorted(Node(name).key for name in ("a", "b", "c", "d", "new"))
    first = desk.ledger.query("network.nodes", ListNodes(limit=3))
    rest = desk.ledger.query("network.nodes", ListNodes(first.next_after, limit=3))
    assert [record.key for record in first.nodes] == keys[:3]
    assert [record.key for record in rest.nodes] == keys[3:]
    assert (first.next_after, rest.next_after) == (keys[2], None)


def test_a_page_that_holds_all_is_the_last(desk: Desk) -> None:
    assert desk.ledger.query("network.nodes", ListNodes(limit=4)).next_after is None


def test_all_nodes_are_found_however_many_there_are(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (1, 2, 3, 4, 5):
        monkeypatch.setattr("traco.modules.network.keeper._NODES_PER_PAGE", size)
        assert desk.keeper.peers(desk.state) == {Node(name).peer: desk.node(name) for name in "abcd"}


def test_a_node_is_answered_by_its_key(desk: Desk) -> None:
    assert desk.ledger.query("network.node", GetNode(Node("a").key)) == desk.node("a")
    assert desk.ledger.query("network.node", GetNode(Node("new").key)) is None


def test_a_node_is_answered_as_of_a_block(desk: Desk) -> None:
    before, height = desk.node("a"), desk.ledger.application.info().height
    desk.do("a", desk.move("a", zone="b"))
    asked = [GetNodeAtHeight(Node("a").key, at) for at in (height, height + 1)]
    answers = [desk.ledger.query("network.node_at_height", request) for request in asked]
    assert answers == [before, desk.node("a")]


def test_the_validators_are_answered_with_what_may_fail() -> None:
    desk = Desk({"a": 1, "b": 2, "c": 3, "d": 4})
    desk.admit("new")
    records = sorted((desk.node(name) for name in "abcd"), key=lambda record: record.consensus)
    answer = desk.ledger.query("network.validators", GetValidators())
    assert answer == Validators(tuple(records), 10, 3, tolerates_one=False)
    even = Desk().ledger.query("network.validators", GetValidators())
    assert (even.total_power, even.greatest_loss, even.tolerates_one) == (4, 1, True)


def test_the_greatest_loss_is_less_than_a_third() -> None:
    losses = {}
    for total in (1, 2, 3, 4, 6, 7):
        desk = Desk({"a": total})
        losses[total] = desk.ledger.query("network.validators", GetValidators()).greatest_loss
    assert losses == {1: 0, 2: 0, 3: 0, 4: 1, 6: 1, 7: 2}


def test_what_is_lost_with_each_place_is_answered() -> None:
    places = {"a": ("x", "one"), "b": ("x", "two"), "c": ("y", "one"), "d": ("", "")}
    fields = {
        name: {"placement": {"operator": "Op", "provider": provider, "region": region}}
        for name, (provider, region) in places.items()
    }
    desk = Desk({"a": 2, "b": 1, "c": 1}, fields=fields)
    assert desk.ledger.query("network.placement", GetPlacement()) == Spread(
        4, 4,
        (PlaceShare("Op", 4, 3, 4, 1_000_000, goes_on=False, data_stays=False),),
        (
            PlaceShare("x", 2, 2, 3, 750_000, goes_on=False, data_stays=True),
            PlaceShare("y", 1, 1, 1, 250_000, goes_on=True, data_stays=True),
            PlaceShare("", 1, 0, 0, 0, goes_on=True, data_stays=True),
        ),
        (
            PlaceShare("one", 2, 2, 3, 750_000, goes_on=False, data_stays=True),
            PlaceShare("two", 1, 1, 1, 250_000, goes_on=True, data_stays=True),
            PlaceShare("", 1, 0, 0, 0, goes_on=True, data_stays=True),
        ),
    )  # fmt: skip


def test_places_of_equal_power_stand_in_order_of_names() -> None:
    fields = {name: {"placement": {"provider": place}} for name, place in zip("abcd", "zyxw", strict=True)}
    answer = Desk(fields=fields).ledger.query("network.placement", GetPlacement())
    assert [share.place for share in answer.providers] == ["w", "x", "y", "z"]


def test_a_ledger_of_protocol_1_answers_that_there_is_nothing() -> None:
    ask = Desk(protocol=1).ledger.query
    assert ask("network.nodes", ListNodes()) == NodePage((), None)
    assert ask("network.node", GetNode(Node("a").key)) is None
    assert ask("network.node_at_height", GetNodeAtHeight(Node("a").key, 0)) is None
    assert ask("network.validators", GetValidators()) == Validators((), 0, 0, tolerates_one=False)
    assert ask("network.placement", GetPlacement()) == Spread(0, 0, (), (), ())


def test_a_node_says_nothing_of_its_place_by_default() -> None:
    assert Desk().node("a").placement == Placement("", "", "", "")
