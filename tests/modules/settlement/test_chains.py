"""Chains of custodians that pass on what they receive in the same batch, and settlement outside the ledger."""

from itertools import pairwise

import pytest

from modules.settlement.desk import Consent, Floor, Part, events_of
from traco.modules.holding.events import Cause, Moved
from traco.modules.settlement.chains import check_fit, destination
from traco.modules.settlement.errors import PassThroughCycle
from traco.modules.settlement.messages import (
    IntoAccount,
    OutsideProof,
    PassedOn,
    PassThrough,
    SettlementInstruction,
    TakenOutside,
)

Parts = tuple[list[Part], list[Consent]]
EVIDENCE, OTHER = b"e" * 32, b"o" * 32


def chain(floor: Floor, *names: str, amount: int = 10) -> list[SettlementInstruction]:
    """Legs that carry bonds from the first name to the last."""
    return [
        floor.leg(sender, receiver, floor.bond, amount, b"%d" % place)
        for place, (sender, receiver) in enumerate(pairwise(names))
    ]


def test_a_custodian_passes_on_what_it_receives_without_holding_it(floor: Floor) -> None:
    batch = floor.create(chain(floor, "seller", "custodian", "buyer"))
    floor.affirm("custodian", batch, [(1, PassThrough(0))], [(0, PassedOn(1))])
    floor.affirm("buyer", batch, (), [floor.into(1, "buyer")])
    receipt = floor.affirm("seller", batch, [floor.own(0, "seller")])
    moved = Moved(floor.bond, floor.accounts["seller"], floor.accounts["buyer"], 10, b"0", Cause.HOLD)
    assert events_of(receipt, Moved) == [moved]
    assert floor.balances(floor.bond, "seller custodian buyer") == [(990, 0), (0, 0), (10, 0)]


def test_legs_of_a_chain_stand_in_any_order(floor: Floor) -> None:
    legs = chain(floor, "seller", "custodian", "rival", "buyer")
    batch = floor.create([legs[2], legs[0], floor.leg("buyer", "seller", floor.cash, 7), legs[1]])
    floor.affirm("rival", batch, [(0, PassThrough(3))], [(3, PassedOn(0))])
    floor.affirm("custodian", batch, [(3, PassThrough(1))], [(1, PassedOn(3))])
    floor.affirm("buyer", batch, [floor.own(2, "buyer")], [floor.into(0, "buyer")])
    floor.affirm("seller", batch, [floor.own(1, "seller")], [floor.into(2, "seller")])
    assert floor.balances(floor.bond, "seller custodian rival buyer") == [(990, 0), (0, 0), (0, 0), (10, 0)]
    assert floor.balances(floor.cash, "seller buyer") == [(7, 0), (999_993, 0)]


def test_a_chain_waits_for_each_of_its_custodians(floor: Floor) -> None:
    batch = floor.create(chain(floor, "seller", "custodian", "buyer"))
    floor.affirm("seller", batch, [floor.own(0, "seller")])
    floor.affirm("buyer", batch, (), [floor.into(1, "buyer")])
    floor.affirm("custodian", batch, [(1, PassThrough(0))])
    assert floor.batch(batch).status == "open"
    floor.affirm("custodian", batch, (), [(0, PassedOn(1))])
    assert floor.batch(batch).status == "settled"


@pytest.mark.parametrize("side", ["allocation", "approval"])
@pytest.mark.parametrize(
    ("sender", "asset", "amount"),
    [("rival", "bond", 10), ("custodian", "cash", 10), ("custodian", "bond", 9), ("custodian", "bond", 11)],
)
def test_a_leg_passes_on_the_whole_of_another_of_the_same_party(
    floor: Floor, side: str, sender: str, asset: str, amount: int
) -> None:
    second = floor.leg(sender, "buyer", getattr(floor, asset), amount)
    batch = floor.create([floor.leg("seller", "custodian", floor.bond, 10), second])
    if side == "allocation":
        code = floor.affirm_refused(sender, batch, [(1, PassThrough(0))])
    else:
        code = floor.affirm_refused("custodian", batch, (), [(0, PassedOn(1))])
    assert code == "settlement.pass_through_mismatch"


@pytest.mark.parametrize("link", [2, 127])
def test_a_leg_is_linked_to_legs_of_the_batch(floor: Floor, link: int) -> None:
    batch = floor.create(chain(floor, "seller", "custodian", "buyer"))
    assert floor.affirm_refused("custodian", batch, [(1, PassThrough(link))]) == "settlement.leg_unknown"
    assert floor.affirm_refused("custodian", batch, (), [(0, PassedOn(link))]) == "settlement.leg_unknown"


def test_both_sides_of_a_link_must_say_so(floor: Floor) -> None:
    for first in (True, False):
        batch = floor.create(chain(floor, "seller", "custodian", "buyer"))
        through: Parts = ([(1, PassThrough(0))], [])
        taken: Parts = ([], [floor.into(0, "custodian")])
        floor.affirm("custodian", batch, *(through if first else taken))
        code = floor.affirm_refused("custodian", batch, *(taken if first else through))
        assert code == "settlement.pass_through_mismatch"


def test_what_is_passed_on_is_not_also_delivered_from_an_own_holding(floor: Floor) -> None:
    floor.issue(floor.bond, "custodian", 10)
    for first in (True, False):
        batch = floor.create(chain(floor, "seller", "custodian", "buyer"))
        passed: Parts = ([], [(0, PassedOn(1))])
        own: Parts = ([floor.own(1, "custodian")], [])
        floor.affirm("custodian", batch, *(passed if first else own))
        code = floor.affirm_refused("custodian", batch, *(own if first else passed))
        assert code == "settlement.pass_through_mismatch"
        floor.do("seller", floor.cancel(batch))


def test_one_leg_does_not_feed_two(floor: Floor) -> None:
    legs = [*chain(floor, "seller", "custodian", "buyer"), floor.leg("custodian", "bank", floor.bond, 10)]
    batch = floor.create(legs)
    floor.affirm("custodian", batch, [(1, PassThrough(0)), (2, PassThrough(0))])
    for leg in (1, 2):
        code = floor.affirm_refused("custodian", batch, (), [(0, PassedOn(leg))])
        assert code == "settlement.pass_through_mismatch"


def test_one_leg_is_not_fed_by_two(floor: Floor) -> None:
    legs = [*chain(floor, "seller", "custodian", "buyer"), floor.leg("bank", "custodian", floor.bond, 10)]
    batch = floor.create(legs)
    floor.affirm("custodian", batch, (), [(0, PassedOn(1)), (2, PassedOn(1))])
    for leg in (0, 2):
        code = floor.affirm_refused("custodian", batch, [(1, PassThrough(leg))])
        assert code == "settlement.pass_through_mismatch"


def test_a_leg_does_not_feed_itself(floor: Floor) -> None:
    batch = floor.create([floor.leg("seller", "seller", floor.bond, 10)])
    assert floor.affirm_refused("seller", batch, [(0, PassThrough(0))]) == "settlement.pass_through_cycle"


@pytest.mark.parametrize("length", [2, 3])
def test_a_circle_is_refused_by_whoever_closes_it(floor: Floor, length: int) -> None:
    names = ["seller", "custodian", "buyer"][:length]
    batch = floor.create(chain(floor, *names, "seller"))
    for leg in range(length - 1):
        floor.affirm(names[leg], batch, [(leg, PassThrough((leg - 1) % length))])
    last = [(length - 1, PassThrough(length - 2))]
    assert floor.affirm_refused(names[-1], batch, last) == "settlement.pass_through_cycle"


def test_a_circle_that_feeds_a_leg_outside_it_is_called_a_circle(floor: Floor) -> None:
    legs = (*chain(floor, "seller", "custodian", "seller"), floor.leg("custodian", "buyer", floor.bond, 10))
    parts = [(2, PassThrough(0)), (0, PassThrough(1)), (1, PassThrough(0))]
    for order in ((2, 0, 1), (0, 1, 2), (1, 2, 0)):
        moved = [legs[place] for place in order]
        through = {order.index(leg): PassThrough(order.index(part.leg)) for leg, part in parts}
        allocations = [through[place] for place in range(3)]
        with pytest.raises(PassThroughCycle):
            check_fit(moved, allocations, [None] * 3, max_chain=8)


@pytest.mark.parametrize(("limit", "code"), [(3, None), (2, "settlement.chain_too_long")])
@pytest.mark.parametrize("first", ["custodian", "rival"])
def test_a_chain_has_as_many_legs_as_the_parameter_says(limit: int, code: str | None, first: str) -> None:
    floor = Floor(parameters={"settlement": {"max_chain": limit}})
    batch = floor.create(chain(floor, "seller", "custodian", "rival", "buyer"))
    parts = {"custodian": [(1, PassThrough(0))], "rival": [(2, PassThrough(1))]}
    second = "rival" if first == "custodian" else "custodian"
    floor.affirm(first, batch, parts[first])
    if code is None:
        floor.affirm(second, batch, parts[second])
    else:
        assert floor.affirm_refused(second, batch, parts[second]) == code


def test_the_receiver_attests_what_it_got_outside(floor: Floor) -> None:
    batch = floor.create()
    floor.affirm("buyer", batch, [(1, OutsideProof(EVIDENCE))], [floor.into(0, "buyer")])
    assert floor.batch(batch).complete is False
    floor.affirm("seller", batch, [floor.own(0, "seller")], [(1, TakenOutside(EVIDENCE))])
    assert floor.positions() == [(990, 0), (10, 0), (0, 0), (1_000_000, 0)]


@pytest.mark.parametrize("approval", [TakenOutside(OTHER), IntoAccount(b"a" * 16)])
@pytest.mark.parametrize("first", ["buyer", "seller"])
def test_both_name_the_same_evidence(floor: Floor, approval: TakenOutside | IntoAccount, first: str) -> None:
    batch = floor.create()
    taken = approval if isinstance(approval, TakenOutside) else IntoAccount(floor.accounts["seller"])
    message = {
        "buyer": floor.affirmation("buyer", batch, [(1, OutsideProof(EVIDENCE))]),
        "seller": floor.affirmation("seller", batch, (), [(1, taken)]),
    }
    second = "seller" if first == "buyer" else "buyer"
    floor.do(first, message[first])
    assert floor.refused(second, message[second]) == "settlement.evidence_differs"


@pytest.mark.parametrize("own", [True, False])
def test_what_comes_from_the_ledger_is_not_taken_outside(floor: Floor, own: bool) -> None:
    batch = floor.create(chain(floor, "seller", "custodian", "buyer"))
    if own:
        floor.affirm("seller", batch, [floor.own(0, "seller")])
        code = floor.affirm_refused("custodian", batch, (), [(0, TakenOutside(EVIDENCE))])
    else:
        floor.affirm("custodian", batch, [(1, PassThrough(0))])
        code = floor.affirm_refused("buyer", batch, (), [(1, TakenOutside(EVIDENCE))])
    assert code == "settlement.evidence_differs"


def test_only_the_parties_of_a_leg_settle_it_outside(floor: Floor) -> None:
    batch = floor.create()
    assert floor.affirm_refused("seller", batch, [(1, OutsideProof(EVIDENCE))]) == "settlement.not_sender"
    assert (
        floor.affirm_refused("buyer", batch, (), [(1, TakenOutside(EVIDENCE))]) == "settlement.not_receiver"
    )


def test_a_chain_of_a_complete_batch_ends_in_an_account() -> None:
    assert destination([PassedOn(1), IntoAccount(b"a" * 16)], 0) == b"a" * 16
    with pytest.raises(ValueError) as caught:
        destination([None], 0)
    assert str(caught.value) == "a chain of a complete batch ends in an account"
