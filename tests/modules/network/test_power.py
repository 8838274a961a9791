"""Who orders: promotion, demotion, and what the network must not lose."""

import pytest

from modules.network.desk import Desk, Node
from traco.kernel.operations import SetParameters
from traco.modules.network.events import NodeDemoted, NodePromoted, NodeReady
from traco.modules.network.messages import DemoteNode, PromoteNode, RemoveNode
from traco.modules.network.state import MAX_POWER
from traco.modules.party.messages import DecideStatus


def test_an_observer_that_is_ready_becomes_a_validator(desk: Desk) -> None:
    desk.admit("new")
    height = desk.ledger.application.info().height
    reported = desk.do("a", desk.report("new"))
    assert reported.events == (NodeReady(Node("new").key, desk.ids["a"], height),)
    receipt = desk.govern(desk.promotion("new", 1))
    assert receipt.events == (NodePromoted(Node("new").key, desk.ids["a"], 1),)
    assert (Node("new").consensus, 1) in desk.keeper.validators(desk.state)
    assert (desk.node("new").role, desk.node("new").power, desk.node("new").ready_height) == (
        "validator", 1, 0,
    )  # fmt: skip


def test_validators_are_in_ascending_order_of_keys(desk: Desk) -> None:
    desk.admit("new")
    desk.promote("new")
    found = desk.keeper.validators(desk.state)
    assert found == tuple(sorted((Node(name).consensus, 1) for name in ("a", "b", "c", "d", "new")))


def test_while_nothing_changes_the_set_is_not_read_again(desk: Desk) -> None:
    before = desk.keeper.validators(desk.state)
    desk.ledger.run_block()
    desk.admit("new")
    assert desk.keeper.validators(desk.state) is before


def test_the_revision_grows_with_every_change_of_a_node(desk: Desk) -> None:
    desk.register("new")
    seen = [desk.keeper.revision(desk.state)]
    desk.govern(desk.admission("new"))
    seen.append(desk.keeper.revision(desk.state))
    desk.do("a", desk.report("new"))
    seen.append(desk.keeper.revision(desk.state))
    desk.govern(desk.promotion("new"))
    seen.append(desk.keeper.revision(desk.state))
    desk.do("a", desk.move("new", "a", zone="b"))
    seen.append(desk.keeper.revision(desk.state))
    desk.do("a", desk.rotation("new", "newer", "a", new_key=Node("new").key, consensus=Node("new").consensus))
    seen.append(desk.keeper.revision(desk.state))
    desk.govern(desk.removal("new"))
    seen.append(desk.keeper.revision(desk.state))
    assert seen == [4, 5, 6, 7, 8, 9, 10]


def test_the_revision_stays_where_no_node_changes(desk: Desk) -> None:
    before = desk.keeper.revision(desk.state)
    desk.register("new")
    desk.set_parameters(max_nodes=9)
    assert desk.keeper.revision(desk.state) == before


def test_an_observer_that_never_reported_is_not_promoted(desk: Desk) -> None:
    desk.admit("new")
    assert desk.refuse(desk.promotion("new")) == "network.not_ready"


def test_a_report_is_good_for_ten_thousand_blocks(desk: Desk) -> None:
    desk.admit("new")
    desk.admit("late")
    reported = desk.ledger.application.info().height
    desk.do("a", desk.report("new"), desk.report("late"))
    while desk.ledger.application.info().height < reported + 9_999:
        desk.ledger.run_block(after_ms=1)
    desk.govern(desk.promotion("new"))
    assert desk.refuse(desk.promotion("late")) == "network.not_ready"


@pytest.mark.parametrize("ahead", [1, 5])
def test_nobody_is_ready_at_this_block_or_one_to_come(desk: Desk, ahead: int) -> None:
    desk.admit("new")
    height = desk.ledger.application.info().height + ahead
    assert desk.deny("a", desk.report("new", height=height)) == "network.ready_height_wrong"


def test_a_report_speaks_of_one_of_the_last_thousand_blocks(desk: Desk) -> None:
    desk.admit("new")
    while desk.ledger.application.info().height < 1_100:
        desk.ledger.run_block(after_ms=1)
    assert desk.deny("a", desk.report("new", height=100)) == "network.ready_height_wrong"
    desk.do("a", desk.report("new", height=102))
    assert desk.node("new").ready_height == 102


def test_block_0_is_nothing_to_be_ready_at() -> None:
    desk = Desk({"a": 1})
    assert desk.deny("b", desk.report("b", "b", height=0)) == "network.ready_height_wrong"
    desk.do("b", desk.report("b", "b", height=1))
    desk.check()


def test_a_validator_is_not_reported_ready(desk: Desk) -> None:
    assert desk.deny("a", desk.report("a")) == "network.is_validator"


def test_a_demoted_validator_must_be_ready_anew(desk: Desk) -> None:
    desk.admit("new")
    desk.promote("new")
    receipt = desk.govern(desk.demotion("new"))
    assert receipt.events == (NodeDemoted(Node("new").key, desk.ids["a"], "test"),)
    assert desk.refuse(desk.promotion("new")) == "network.not_ready"
    desk.promote("new")
    assert len(desk.keeper.validators(desk.state)) == 5


def test_an_observer_cannot_be_demoted(desk: Desk) -> None:
    desk.admit("new")
    assert desk.refuse(desk.demotion("new")) == "network.not_validator"


def test_a_validator_is_not_given_the_power_that_it_has(desk: Desk) -> None:
    assert desk.refuse(desk.promotion("a", 1)) == "network.is_validator"


def test_the_node_of_a_suspended_member_is_not_promoted(desk: Desk) -> None:
    desk.admit("new", "c")
    desk.do("c", desk.report("new", "c"))
    desk.govern(DecideStatus(desk.council(), desk.ids["c"], "suspended", "test"))
    assert desk.refuse(desk.promotion("new")) == "network.member_inactive"


def test_a_suspended_members_validator_keeps_its_power_until_the_council_takes_it(desk: Desk) -> None:
    desk.admit("new", "c")
    desk.promote("new", "c")
    desk.govern(DecideStatus(desk.council(), desk.ids["c"], "suspended", "test"))
    assert desk.node("new").power == 1
    desk.govern(desk.demotion("new"))


@pytest.mark.parametrize("what", ["demotion", "removal"])
def test_what_tolerates_the_loss_of_one_validator_stays_so(desk: Desk, what: str) -> None:
    assert desk.refuse(getattr(desk, what)("d")) == "network.tolerance_lost"
    desk.admit("new")
    desk.promote("new")
    desk.govern(getattr(desk, what)("d"))


@pytest.mark.parametrize("what", ["demotion", "removal"])
def test_what_tolerated_none_may_shrink_to_one_and_no_further(what: str) -> None:
    desk = Desk({"a": 1, "b": 1, "c": 1})
    desk.govern(getattr(desk, what)("c"))
    desk.govern(getattr(desk, what)("b"))
    assert desk.refuse(getattr(desk, what)("a")) == "network.last_validator"
    assert desk.powers() == {"a": 1}
    desk.check()


def test_a_greater_power_does_not_take_the_tolerance_either(desk: Desk) -> None:
    desk.admit("new")
    desk.do("a", desk.report("new"))
    assert desk.refuse(desk.promotion("new", 2)) == "network.tolerance_lost"
    desk.govern(desk.promotion("new", 1))
    assert desk.refuse(desk.promotion("a", 2)) == "network.tolerance_lost"


def test_powers_may_change_step_by_step_while_none_has_a_third() -> None:
    desk = Desk({"a": 10, "b": 10, "c": 10, "d": 10})
    for name in ("a", "b", "c", "d"):
        desk.govern(desk.promotion(name, 11))
    assert desk.powers() == dict.fromkeys("abcd", 11)
    desk.govern(desk.promotion("a", 10))
    desk.check()


@pytest.mark.parametrize("power", [0, MAX_POWER + 1, -1])
def test_a_power_out_of_bounds_is_no_instruction(desk: Desk, power: int) -> None:
    assert desk.refuse(PromoteNode(desk.council(), Node("a").key, power)) == "transaction.malformed"


def test_the_greatest_powers_together_are_far_below_what_the_engine_adds_up() -> None:
    desk = Desk(dict.fromkeys("abcd", MAX_POWER))
    assert sum(desk.powers().values()) == 4 * MAX_POWER
    desk.check()


@pytest.mark.parametrize("kind", [DemoteNode, RemoveNode])
def test_nobody_but_the_council_takes_power(desk: Desk, kind: type[DemoteNode] | type[RemoveNode]) -> None:
    alone = kind(desk.council("a"), Node("d").key, "test")
    assert desk.deny("a", alone) == "kernel.council_needed"


def test_nobody_but_the_council_gives_power(desk: Desk) -> None:
    desk.admit("new")
    desk.do("a", desk.report("new"))
    alone = PromoteNode(desk.council("a"), Node("new").key, 1)
    assert desk.deny("a", alone) == "kernel.council_needed"


@pytest.mark.parametrize("what", ["promotion", "demotion", "removal"])
def test_a_node_that_is_not_admitted_is_named(desk: Desk, what: str) -> None:
    assert desk.refuse(getattr(desk, what)("new")) == "network.node_unknown"


def test_the_parameters_of_the_engine_have_bounds(desk: Desk) -> None:
    record = bytes.fromhex("98011903e8") + bytes(4)
    assert desk.refuse(SetParameters(desk.council(), "network", record)) == "kernel.parameters_invalid"
