"""Allocations and approvals: who may give them, with which accounts, and every reason to refuse."""

from typing import Any

import pytest
from msgspec.structs import replace

from modules.settlement.desk import LOT, SLOW, Floor, events_of, terms_of
from traco.modules.holding.events import HoldPlaced
from traco.modules.holding.messages import CloseAccount
from traco.modules.holding.state import CreditControl, DebitControl
from traco.modules.settlement.events import Affirmed
from traco.modules.settlement.messages import (
    Affirm,
    IntoAccount,
    OwnHolding,
    PassedOn,
    PassThrough,
    batch_id,
)
from traco.modules.settlement.state import hold_id

SERVICER = DebitControl.SERVICER


def test_an_own_holding_is_held_for_the_batch(floor: Floor) -> None:
    batch = floor.create()
    receipt = floor.seller_affirms(batch)
    account = floor.accounts["seller"]
    placed = HoldPlaced(hold_id(batch, 0), account, floor.bond, LOT, batch, 0, b"bonds")
    assert receipt.events == (placed, Affirmed(batch, floor.ids["seller"], (0,), (1,), False))
    assert floor.positions() == [(1_000 - LOT, LOT), (0, 0), (0, 0), (1_000_000, 0)]
    assert floor.batch(batch).allocations == (OwnHolding(account), None)
    assert floor.batch(batch).approvals == (None, IntoAccount(account))


def test_parts_may_be_given_in_several_affirmations(floor: Floor) -> None:
    batch = floor.create()
    floor.affirm("seller", batch, [floor.own(0, "seller")])
    floor.affirm("seller", batch, (), [floor.into(1, "seller")])
    floor.affirm("buyer", batch, (), [floor.into(0, "buyer")])
    floor.affirm("buyer", batch, [floor.own(1, "buyer")])
    floor.settled()


def test_the_affirmation_that_completes_it_says_so(floor: Floor) -> None:
    batch = floor.create(settlers="bank")
    floor.seller_affirms(batch)
    receipt = floor.buyer_affirms(batch)
    assert events_of(receipt, Affirmed) == [Affirmed(batch, floor.ids["buyer"], (1,), (0,), True)]
    assert floor.batch(batch).complete is True
    assert floor.batch(batch).status == "open"


def test_a_leg_is_allocated_once(floor: Floor) -> None:
    batch = floor.create()
    floor.affirm("seller", batch, [floor.own(0, "seller")])
    assert floor.affirm_refused("seller", batch, [floor.own(0, "seller")]) == "settlement.allocated_before"


def test_a_leg_is_allocated_once_in_an_affirmation(floor: Floor) -> None:
    batch = floor.create()
    twice = [floor.own(0, "seller")] * 2
    assert floor.affirm_refused("seller", batch, twice) == "settlement.allocated_before"
    floor.untouched()


def test_a_leg_is_approved_once(floor: Floor) -> None:
    batch = floor.create()
    floor.affirm("seller", batch, (), [floor.into(1, "seller")])
    assert (
        floor.affirm_refused("seller", batch, (), [floor.into(1, "seller")]) == "settlement.approved_before"
    )
    twice = [floor.into(0, "buyer")] * 2
    assert floor.affirm_refused("buyer", batch, (), twice) == "settlement.approved_before"


def test_an_affirmation_gives_something(floor: Floor) -> None:
    assert floor.affirm_refused("seller", floor.create()) == "settlement.nothing_affirmed"


def test_legs_are_counted_from_zero(floor: Floor) -> None:
    batch = floor.create()
    assert floor.affirm_refused("seller", batch, [floor.own(2, "seller")]) == "settlement.leg_unknown"
    assert floor.affirm_refused("seller", batch, (), [floor.into(2, "seller")]) == "settlement.leg_unknown"


def test_a_batch_must_exist(floor: Floor) -> None:
    message = floor.affirmation("seller", b"\xee" * 16, [floor.own(0, "seller")], terms=b"t" * 32)
    assert floor.refused("seller", message) == "settlement.batch_unknown"


@pytest.mark.parametrize(("late_ms", "code"), [(-1, None), (0, "settlement.deadline_past")])
def test_a_batch_is_affirmed_before_its_deadline(late_ms: int, code: str | None) -> None:
    floor = Floor(parameters=SLOW)
    batch = floor.create()
    message = floor.affirmation("seller", batch, [floor.own(0, "seller")])
    assert floor.at_deadline(batch, late_ms, "seller", message) == code


def test_only_the_controller_of_the_senders_account_allocates_it(floor: Floor) -> None:
    batch = floor.create()
    for name in ("buyer", "bank"):
        code = floor.affirm_refused(name, batch, [floor.own(0, "seller")])
        assert code == "settlement.not_in_control"


def test_an_allocation_names_an_account_of_the_sender(floor: Floor) -> None:
    batch = floor.create()
    for name in ("buyer", "seller"):
        code = floor.affirm_refused(name, batch, [floor.own(0, "buyer")])
        assert code == "settlement.wrong_account"


def test_an_approval_names_an_account_of_the_receiver(floor: Floor) -> None:
    batch = floor.create()
    for name in ("buyer", "seller"):
        code = floor.affirm_refused(name, batch, (), [floor.into(0, "seller")])
        assert code == "settlement.wrong_account"


def test_nobody_else_approves_into_an_account_that_is_open_to_all(floor: Floor) -> None:
    batch = floor.create()
    for name in ("seller", "bank"):
        code = floor.affirm_refused(name, batch, (), [floor.into(0, "buyer")])
        assert code == "settlement.not_receiver"


def test_an_account_controlled_by_its_servicer_is_allocated_by_the_servicer(floor: Floor) -> None:
    account = floor.open_account("seller", servicer="custodian", debit=SERVICER)
    floor.accounts["seller"] = account
    floor.issue(floor.bond, "seller", LOT)
    batch = floor.create()
    assert floor.affirm_refused("seller", batch, [floor.own(0, "seller")]) == "settlement.not_in_control"
    floor.affirm("custodian", batch, [floor.own(0, "seller")])
    assert floor.held("seller", floor.bond).held == LOT


def test_credits_controlled_by_the_servicer_are_approved_by_the_servicer(floor: Floor) -> None:
    account = floor.open_account("buyer", servicer="custodian", credit=CreditControl.SERVICER)
    batch = floor.create()
    for name in ("buyer", "seller"):
        code = floor.affirm_refused(name, batch, (), [floor.into(0, name, account)])
        assert code == "settlement.not_in_control"
    floor.affirm("custodian", batch, (), [floor.into(0, "buyer", account)])
    assert floor.batch(batch).approvals[0] == IntoAccount(account)


def test_credits_controlled_by_the_owner_are_approved_by_the_owner(floor: Floor) -> None:
    account = floor.open_account("buyer", servicer="custodian", credit=CreditControl.OWNER)
    batch = floor.create()
    code = floor.affirm_refused("custodian", batch, (), [floor.into(0, "buyer", account)])
    assert code == "settlement.not_in_control"
    floor.affirm("buyer", batch, (), [floor.into(0, "buyer", account)])


@pytest.mark.parametrize("part", ["allocation", "approval"])
def test_accounts_exist_and_are_open(floor: Floor, part: str) -> None:
    spare = floor.open_account("seller")
    floor.do("seller", CloseAccount(floor.ids["seller"], spare))
    batch = floor.create()
    for account, code in ((spare, "holding.account_closed"), (b"\xee" * 16, "holding.account_unknown")):
        allocations = [floor.own(0, "seller", account)] if part == "allocation" else []
        approvals = [floor.into(1, "seller", account)] if part == "approval" else []
        assert floor.affirm_refused("seller", batch, allocations, approvals) == code


def test_only_the_sender_passes_through_and_only_the_receiver_passes_on(floor: Floor) -> None:
    batch = floor.create()
    assert floor.affirm_refused("bank", batch, [(0, PassThrough(1))]) == "settlement.not_sender"
    assert floor.affirm_refused("bank", batch, (), [(0, PassedOn(1))]) == "settlement.not_receiver"
    assert floor.affirm_refused("seller", batch, (), [(0, PassedOn(1))]) == "settlement.not_receiver"


def test_what_is_not_there_cannot_be_allocated(floor: Floor) -> None:
    batch = floor.create(floor.dvp(amount=1_001))
    parts = [floor.own(0, "seller")], [floor.into(1, "seller")]
    assert floor.affirm_refused("seller", batch, *parts) == "holding.insufficient"
    assert floor.batch(batch).approvals == (None, None)


def test_one_holding_is_not_allocated_to_two_batches(floor: Floor) -> None:
    first, second = floor.create(floor.dvp(amount=1_000)), floor.create(floor.dvp(amount=1))
    floor.seller_affirms(first)
    assert floor.affirm_refused("seller", second, [floor.own(0, "seller")]) == "holding.insufficient"


def test_two_legs_of_one_batch_share_a_holding_only_as_far_as_it_goes(floor: Floor) -> None:
    legs = [floor.leg("seller", "buyer", floor.bond, 500), floor.leg("seller", "bank", floor.bond, 501)]
    batch = floor.create(legs)
    both = [floor.own(0, "seller"), floor.own(1, "seller")]
    assert floor.affirm_refused("seller", batch, both) == "holding.insufficient"
    floor.untouched()


def test_a_batch_can_be_affirmed_before_it_is_on_the_ledger_with_its_terms_only(floor: Floor) -> None:
    agreed, other = floor.request(), floor.request(floor.dvp(amount=LOT + 1))
    batch = batch_id(other.party, other.salt)
    early = floor.affirmation("seller", batch, [floor.own(0, "seller")], terms=terms_of(agreed))
    floor.do("seller", other)
    assert floor.refused("seller", early) == "settlement.terms_differ"
    floor.do("seller", floor.affirmation("seller", batch, [floor.own(0, "seller")], terms=terms_of(other)))


@pytest.mark.parametrize(
    "change", [{"auto": False, "settlers": (b"b" * 16,)}, {"deadline_ms": 1}, {"legs": ()}]
)
def test_the_terms_cover_legs_settlers_and_deadline(floor: Floor, change: dict[str, Any]) -> None:
    message = floor.request()
    assert terms_of(replace(message, **change)) != terms_of(message)


def test_create_and_all_affirmations_fit_one_transaction(floor: Floor) -> None:
    message = floor.request()
    batch, terms = batch_id(message.party, message.salt), terms_of(message)
    seller = floor.affirmation("seller", batch, [floor.own(0, "seller")], [floor.into(1, "seller")], terms)
    buyer = floor.affirmation("buyer", batch, [floor.own(1, "buyer")], [floor.into(0, "buyer")], terms)
    floor.do("seller buyer", message, seller, buyer)
    floor.settled()
    assert floor.batch(batch).status == "settled"


def test_an_affirmation_puts_no_single_amount_at_risk(floor: Floor) -> None:
    message = Affirm(floor.ids["seller"], b"b" * 16, b"t" * 32, (floor.own(0, "seller"),), ())
    assert (message.actors(), message.amount_at_risk()) == ((floor.ids["seller"],), None)
