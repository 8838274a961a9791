"""Attacks on who orders: getting in, getting more power, stopping the network, with all modules of the release around."""

from collections.abc import Callable

import pytest

from modules.network.desk import Desk, Node
from traco.kernel.codec import encode
from traco.kernel.operations import Propose, SetParameters
from traco.modules.network.messages import PromoteNode
from traco.modules.network.parameters import NetworkParameters
from traco.modules.network.state import MAX_POWER
from traco.modules.party.messages import DecideStatus, RegisterNode, RetireNode


@pytest.fixture
def desk() -> Desk:
    """Four members with a validator each; two together are the council."""
    return Desk()


def test_a_single_council_member_decides_nothing_in_a_proposal_of_its_own(desk: Desk) -> None:
    desk.admit("new")
    inner = PromoteNode(desk.council("a"), Node("new").key, MAX_POWER)
    expires = desk.ledger.time_ms + 60_000
    attack = Propose(desk.ids["a"], encode((inner,)), expires, bytes(16))
    assert desk.deny("a", attack) == "kernel.council_needed"
    both = PromoteNode(desk.council(), Node("new").key, MAX_POWER)
    attack = Propose(desk.ids["a"], encode((both,)), expires, bytes(16))
    assert desk.deny("a", attack) == "kernel.proposal_foreign"


def test_a_proposal_waits_for_the_members_own_policy_and_fails_when_it_was_suspended(desk: Desk) -> None:
    expires = desk.ledger.time_ms + 60_000
    desk.govern(DecideStatus(desk.council(), desk.ids["c"], "suspended", "test"))
    attack = Propose(desk.ids["c"], encode((desk.move("c", zone="x"),)), expires, bytes(16))
    assert desk.deny("c", attack) == "party.suspended"


def test_a_suspended_council_member_does_not_count(desk: Desk) -> None:
    desk.govern(DecideStatus(desk.council(), desk.ids["d"], "suspended", "test"))
    desk.register("new")
    admission = desk.admission("new", parties=desk.council("a", "d"))
    code = desk.ledger.reject(admission, keys=[desk.keys["a"], desk.keys["d"]])
    assert code == "party.suspended"


def test_a_node_key_freed_by_a_closed_member_gives_nobody_its_validator(desk: Desk) -> None:
    desk.govern(DecideStatus(desk.council(), desk.ids["d"], "closed", "test"))
    desk.do("c", RegisterNode(desk.ids["c"], Node("d").key))
    assert desk.deny("c", desk.move("d", "c", zone="x")) == "network.node_foreign"
    assert desk.deny("c", desk.rotation("d", "fresh", "c")) == "network.node_foreign"
    assert desk.refuse(desk.admission("d", "c")) == "network.node_exists"
    desk.check()


def test_a_rotation_to_a_foreign_node_key_is_refused_even_when_that_is_retired_in_between(desk: Desk) -> None:
    fresh = Node("fresh")
    desk.do("b", RegisterNode(desk.ids["b"], fresh.key))
    steps = (RetireNode(desk.ids["b"], fresh.key), desk.rotation("a", "fresh"))
    code = desk.ledger.reject(*steps, keys=[desk.keys["a"], desk.keys["b"]])
    assert code == "network.node_not_registered"
    assert desk.party.keeper.member_of_node(desk.state, fresh.key) == desk.ids["b"]


def test_one_refused_step_undoes_a_whole_transaction(desk: Desk) -> None:
    desk.admit("new")
    desk.do("a", desk.report("new"))
    before = desk.keeper.validators(desk.state)
    steps = (desk.promotion("new"), desk.demotion("d"), desk.demotion("c"))
    code = desk.ledger.reject(*steps, keys=[desk.keys["a"], desk.keys["b"]])
    assert code == "network.tolerance_lost"
    assert desk.keeper.validators(desk.state) == before
    desk.check()


@pytest.mark.parametrize(
    "steps",
    [
        lambda desk: (desk.removal("a"), desk.removal("b"), desk.removal("c"), desk.removal("d")),
        lambda desk: (desk.promotion("a", 2), desk.removal("b")),
        lambda desk: (desk.removal("d"), desk.promotion("a", 2)),
    ],
)
def test_no_order_of_steps_takes_the_tolerance(
    desk: Desk, steps: Callable[[Desk], tuple[object, ...]]
) -> None:
    attack = steps(desk)
    code = desk.ledger.reject(*attack, keys=[desk.keys["a"], desk.keys["b"]])  # type: ignore[arg-type]
    assert code == "network.tolerance_lost"


def test_a_consensus_key_swapped_within_one_transaction_is_gone_for_ever(desk: Desk) -> None:
    own = Node("a").key
    there = desk.rotation("a", "x", new_key=own, peer=Node("a").peer)
    back = desk.rotation("a", "a", new_key=own, consensus=Node("a").consensus, peer=Node("a").peer)
    assert desk.deny("a", there, back) == "network.consensus_key_used"
    assert desk.node("a").consensus == Node("a").consensus


def test_two_members_cannot_exchange_their_consensus_keys(desk: Desk) -> None:
    steps = (
        desk.rotation("a", "x", new_key=Node("a").key, consensus=Node("b").consensus),
        desk.rotation("b", "y", new_key=Node("b").key, consensus=Node("a").consensus),
    )
    code = desk.ledger.reject(*steps, keys=[desk.keys["a"], desk.keys["b"]])
    assert code == "network.consensus_key_used"


def test_a_member_that_occupies_the_keys_of_a_node_to_come_only_makes_its_owner_choose_others(
    desk: Desk,
) -> None:
    desk.do("c", desk.rotation("c", "planned", new_key=Node("c").key))
    desk.register("planned", "d")
    assert desk.refuse(desk.admission("planned", "d")) == "network.consensus_key_used"
    other = Node("other")
    desk.govern(desk.admission("planned", "d", consensus=other.consensus, peer=other.peer))
    assert desk.powers() == dict.fromkeys("abcd", 1)


@pytest.mark.parametrize(
    "changes", [{"empty_block_ms": 2**63 - 1}, {"vote_ms": 0}, {"max_nodes": 0}, {"max_provider_ppm": 0}]
)
def test_the_council_cannot_set_parameters_that_stop_the_engine(desk: Desk, changes: dict[str, int]) -> None:
    record = encode(NetworkParameters(**changes))
    assert desk.refuse(SetParameters(desk.council(), "network", record)) == "kernel.parameters_invalid"


def test_hostile_limits_never_keep_the_council_from_repairing_them(desk: Desk) -> None:
    desk.set_parameters(max_provider_ppm=100_000, max_region_ppm=100_000, max_nodes=1)
    desk.register("new")
    assert desk.refuse(desk.admission("new")) == "network.too_many_nodes"
    desk.set_parameters()
    desk.govern(desk.admission("new"))
    desk.promote("new")
    desk.check()
