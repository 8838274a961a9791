"""What a member does about its own nodes: where they are, and their keys."""

from collections.abc import Iterator

import pytest

from modules.network.desk import Desk, Node
from support.engine_signatures import SMALL_ORDER
from support.ledger import Key
from traco.kernel.codec import encode
from traco.kernel.operations import Propose
from traco.modules.network.events import NodeRotated, NodeUpdated
from traco.modules.network.messages import UpdateNode
from traco.modules.network.state import Placement
from traco.modules.party.messages import DecideStatus, RegisterNode, RetireNode


@pytest.fixture(params=["validator", "observer"])
def either(request: pytest.FixtureRequest) -> Iterator[Desk]:
    """a's node is a validator, or an observer."""
    made = Desk({"a": int(request.param == "validator"), "b": 1, "c": 1, "d": 1})
    yield made
    made.check()


def test_a_member_says_anew_where_its_node_is(either: Desk) -> None:
    before, place = either.node("a"), Placement("Example IT", "own", "zurich", "cellar")
    update = UpdateNode(either.ids["a"], Node("a").key, "10.0.0.9:26656", "http://10.0.0.9:8000", place)
    receipt = either.do("a", update)
    after = either.node("a")
    assert (after.address, after.gateway, after.placement) == (
        "10.0.0.9:26656", "http://10.0.0.9:8000", place,
    )  # fmt: skip
    assert (after.role, after.power, after.consensus) == (before.role, before.power, before.consensus)
    assert receipt.events == (
        NodeUpdated(Node("a").key, either.ids["a"], "10.0.0.9:26656", "http://10.0.0.9:8000", place),
    )


def test_an_update_of_nothing_is_refused(desk: Desk) -> None:
    assert desk.deny("a", desk.move("a")) == "network.node_unchanged"


def test_an_update_keeps_what_was_reported(desk: Desk) -> None:
    desk.admit("new")
    desk.do("a", desk.report("new"))
    ready = desk.node("new").ready_height
    desk.do("a", desk.move("new", "a", zone="b"))
    assert desk.node("new").ready_height == ready > 0


def test_a_node_gets_other_keys_and_keeps_its_place(either: Desk) -> None:
    before = either.node("a")
    powers = either.powers()
    either.register("fresh")
    receipt = either.do("a", either.rotation("a", "fresh", "a"))
    fresh, after = Node("fresh"), either.node("fresh")
    assert (after.key, after.consensus, after.peer) == (fresh.key, fresh.consensus, fresh.peer)
    assert (after.role, after.power, after.address) == (before.role, before.power, before.address)
    assert either.keeper.node(either.state, before.key) is None
    assert before.peer not in either.keeper.peers(either.state)
    assert either.powers() == powers
    assert receipt.events == (
        NodeRotated(fresh.key, either.ids["a"], before.key, fresh.consensus, fresh.peer),
    )


def test_the_engine_gets_the_new_consensus_key_with_the_old_power(desk: Desk) -> None:
    desk.register("fresh")
    before = dict(desk.keeper.validators(desk.state))
    desk.do("a", desk.rotation("a", "fresh", "a"))
    after = dict(desk.keeper.validators(desk.state))
    assert before.items() - after.items() == {(Node("a").consensus, 1)}
    assert after.items() - before.items() == {(Node("fresh").consensus, 1)}


def test_one_transaction_registers_rotates_and_retires(desk: Desk) -> None:
    member, fresh = desk.ids["b"], Node("fresh")
    desk.do(
        "b", RegisterNode(member, fresh.key), desk.rotation("b", "fresh"), RetireNode(member, Node("b").key)
    )
    assert desk.party.keeper.member_of_node(desk.state, fresh.key) == member
    assert desk.party.keeper.member_of_node(desk.state, Node("b").key) is None
    assert desk.node("fresh").power == 1


def test_a_new_node_key_is_registered_before(desk: Desk) -> None:
    assert desk.deny("a", desk.rotation("a", "fresh")) == "network.node_not_registered"
    desk.register("fresh", "b")
    assert desk.deny("a", desk.rotation("a", "fresh")) == "network.node_not_registered"


@pytest.mark.parametrize("kept", ["new_key", "consensus", "peer"])
def test_each_key_can_stay(either: Desk, kept: str) -> None:
    old = either.node("a")
    either.register("fresh")
    stays = {"new_key": old.key, "consensus": old.consensus, "peer": old.peer}[kept]
    either.do("a", either.rotation("a", "fresh", "a", **{kept: stays}))
    now = either.keeper.require(either.state, old.key if kept == "new_key" else Node("fresh").key)
    assert {"new_key": now.key, "consensus": now.consensus, "peer": now.peer}[kept] == stays
    assert either.keeper.node_of_consensus(either.state, now.consensus) == now


def test_a_rotation_of_nothing_is_refused(desk: Desk) -> None:
    old = desk.node("a")
    same = desk.rotation("a", "a", new_key=old.key, consensus=old.consensus, peer=old.peer)
    assert desk.deny("a", same) == "network.node_unchanged"


def test_a_replaced_consensus_key_never_comes_back(desk: Desk) -> None:
    own = Node("a").key
    desk.do("a", desk.rotation("a", "fresh", "a", new_key=own, peer=Node("a").peer))
    back = desk.rotation("a", "a", new_key=own, consensus=Node("a").consensus, peer=Node("a").peer)
    assert desk.deny("a", back) == "network.consensus_key_used"
    desk.register("other", "b")
    assert (
        desk.refuse(desk.admission("other", "b", consensus=Node("a").consensus))
        == "network.consensus_key_used"
    )


def test_a_validator_does_not_change_its_consensus_key_again_and_again(desk: Desk) -> None:
    own = Node("a").key
    desk.do("a", desk.rotation("a", "second", "a", new_key=own))
    assert desk.deny("a", desk.rotation("a", "third", "a", new_key=own)) == "network.consensus_key_new"
    desk.register("third")
    assert desk.deny("a", desk.rotation("a", "third", "a")) == "network.consensus_key_new"
    assert desk.node("a").consensus == Node("second").consensus


def test_a_new_node_key_does_not_make_the_consensus_key_old(desk: Desk) -> None:
    old = desk.node("a")
    desk.register("fresh")
    desk.do("a", desk.rotation("a", "fresh", "a", consensus=old.consensus))
    again = desk.rotation("fresh", "next", "a", new_key=Node("fresh").key)
    assert desk.deny("a", again) == "network.consensus_key_new"


def test_a_consensus_key_that_stood_long_enough_is_replaced(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traco.modules.network.handlers.KEY_STANDS", 5)
    own = Node("a").key
    desk.do("a", desk.rotation("a", "second", "a", new_key=own))
    changed = desk.ledger.application.info().height
    while desk.ledger.application.info().height < changed + 3:
        desk.ledger.run_block()
    assert desk.deny("a", desk.rotation("a", "third", "a", new_key=own)) == "network.consensus_key_new"
    desk.do("a", desk.rotation("a", "third", "a", new_key=own))
    assert desk.node("a").consensus == Node("third").consensus


def test_an_observer_changes_its_consensus_key_as_often_as_it_likes(desk: Desk) -> None:
    desk.admit("new")
    for name in ("second", "third"):
        desk.do("a", desk.rotation("new", name, "a", new_key=Node("new").key))
    assert desk.node("new").consensus == Node("third").consensus


def test_keys_of_other_nodes_and_keys_that_anybody_can_sign_for_are_refused(desk: Desk) -> None:
    own = Node("a").key
    for change, code in (
        ({"consensus": Node("b").consensus}, "network.consensus_key_used"),
        ({"peer": Node("b").peer}, "network.peer_taken"),
        ({"consensus": own}, "network.consensus_key_wrong"),
        *(({"consensus": b"\x01" + key}, "network.consensus_key_wrong") for key in SMALL_ORDER),
    ):  # fmt: skip
        assert desk.deny("a", desk.rotation("a", "fresh", "a", **{"new_key": own, **change})) == code


def test_the_node_key_of_another_admitted_node_of_ones_own_is_refused(desk: Desk) -> None:
    desk.admit("new")
    assert (
        desk.deny("a", desk.rotation("a", "new", "a", consensus=Key("x").public, peer=bytes(20)))
        == "network.node_exists"
    )


def test_other_keys_must_be_reported_ready_anew(desk: Desk) -> None:
    desk.admit("new")
    desk.do("a", desk.report("new"))
    desk.do("a", desk.rotation("new", "fresh", "a", new_key=Node("new").key))
    assert desk.refuse(desk.promotion("new")) == "network.not_ready"


def test_a_rotated_node_is_known_by_its_old_key_as_of_earlier_blocks(desk: Desk) -> None:
    before, height = desk.node("a"), desk.ledger.application.info().height
    desk.register("fresh")
    desk.do("a", desk.rotation("a", "fresh", "a"))
    assert desk.keeper.as_of(desk.state, height, Node("a").key) == before
    assert desk.keeper.as_of(desk.state, height + 2, Node("a").key) is None
    assert desk.keeper.as_of(desk.state, height, Node("fresh").key) is None


def test_a_member_acts_on_its_own_nodes_only(desk: Desk) -> None:
    desk.admit("new", "c")
    desk.register("fresh")
    for attack in (
        desk.report("new", "a"), desk.move("b", "a", zone="x"), desk.rotation("b", "fresh", "a"),
        desk.rotation("a", "fresh", "b"),
    ):  # fmt: skip
        name = next(member for member, identity in desk.ids.items() if identity == attack.party)
        assert desk.deny(name, attack) == "network.node_foreign"


def test_another_members_signature_does_not_help(desk: Desk) -> None:
    assert desk.deny("a", desk.move("b", zone="x")) == "transaction.signature_missing"


def test_a_member_suspended_earlier_in_the_same_transaction_changes_nothing(desk: Desk) -> None:
    steps = (DecideStatus(desk.council(), desk.ids["c"], "suspended", "test"), desk.move("c", zone="x"))
    code = desk.ledger.reject(*steps, keys=[desk.keys[name] for name in "abc"])
    assert code == "network.member_inactive"


@pytest.mark.parametrize("what", ["report", "move", "rotation"])
def test_a_node_that_is_not_admitted_is_named(desk: Desk, what: str) -> None:
    desk.register("new")
    attempt = {
        "report": desk.report("new"), "move": desk.move("new", "a"), "rotation": desk.rotation("new", "x", "a"),
    }[what]  # fmt: skip
    assert desk.deny("a", attempt) == "network.node_unknown"


def test_a_suspended_member_changes_nothing(desk: Desk) -> None:
    desk.govern(DecideStatus(desk.council(), desk.ids["c"], "suspended", "test"))
    assert desk.deny("c", desk.move("c", zone="x")) == "party.suspended"


def test_a_members_second_key_approves_what_the_first_proposed(desk: Desk) -> None:
    operation = encode((desk.move("a", zone="x"),))
    expires = desk.ledger.time_ms + 60_000
    desk.do("a", Propose(desk.ids["a"], operation, expires, bytes(16)))
    assert desk.node("a").placement.zone == "x"
