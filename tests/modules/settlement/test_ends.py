"""Withdrawing, cancelling and expiring: everything held is released, once."""

from functools import partial

import pytest

from modules.settlement.desk import LIFE_MS, LOT, SLOW, Floor, events_of
from traco.modules.holding.events import HoldEnd, HoldEnded
from traco.modules.holding.state import CreditControl, DebitControl
from traco.modules.settlement.events import BatchReleased, Withdrawn
from traco.modules.settlement.messages import PassedOn, PassThrough
from traco.modules.settlement.state import Batch, hold_id


def test_a_party_takes_back_all_it_gave(floor: Floor) -> None:
    batch = floor.create()
    floor.seller_affirms(batch)
    receipt = floor.do("seller", floor.withdraw(batch, "seller"))
    assert receipt.events == (
        HoldEnded(hold_id(batch, 0), HoldEnd.RELEASED, LOT),
        Withdrawn(batch, floor.ids["seller"], (0,), (1,)),
    )
    floor.untouched()
    assert floor.batch(batch).allocations == (None, None)
    assert floor.batch(batch).approvals == (None, None)


def test_what_others_gave_stays(floor: Floor) -> None:
    batch = floor.create()
    floor.affirm("seller", batch, [floor.own(0, "seller")])
    floor.affirm("buyer", batch, [floor.own(1, "buyer")], [floor.into(0, "buyer")])
    before = floor.batch(batch)
    floor.do("seller", floor.withdraw(batch, "seller"))
    assert floor.batch(batch).allocations == (None, before.allocations[1])
    assert floor.batch(batch).approvals == before.approvals
    assert floor.held("buyer", floor.cash).held == 5_000


def test_what_was_taken_back_can_be_given_anew_and_settles(floor: Floor) -> None:
    batch = floor.create()
    floor.seller_affirms(batch)
    floor.do("seller", floor.withdraw(batch, "seller"))
    floor.buyer_affirms(batch)
    floor.seller_affirms(batch)
    floor.settled()


def test_pass_throughs_are_taken_back_too(floor: Floor) -> None:
    legs = [floor.leg("seller", "custodian", floor.bond, 1), floor.leg("custodian", "buyer", floor.bond, 1)]
    batch = floor.create(legs)
    floor.affirm("custodian", batch, [(1, PassThrough(0))], [(0, PassedOn(1))])
    receipt = floor.do("custodian", floor.withdraw(batch, "custodian"))
    assert receipt.events == (Withdrawn(batch, floor.ids["custodian"], (1,), (0,)),)


def test_who_gave_nothing_has_nothing_to_take_back(floor: Floor) -> None:
    batch = floor.create()
    assert floor.refused("seller", floor.withdraw(batch, "seller")) == "settlement.nothing_withdrawn"
    floor.seller_affirms(batch)
    for name in ("buyer", "bank"):
        assert floor.refused(name, floor.withdraw(batch, name)) == "settlement.nothing_withdrawn"


def test_an_approval_alone_can_be_taken_back(floor: Floor) -> None:
    batch = floor.create()
    floor.affirm("seller", batch, (), [floor.into(1, "seller")])
    floor.do("seller", floor.withdraw(batch, "seller"))
    assert floor.batch(batch).approvals == (None, None)


def test_the_servicer_takes_back_what_it_allocated(floor: Floor) -> None:
    account = floor.open_account("seller", servicer="custodian", debit=DebitControl.SERVICER)
    floor.accounts["seller"] = account
    floor.issue(floor.bond, "seller", LOT)
    batch = floor.create()
    floor.affirm("custodian", batch, [floor.own(0, "seller")])
    assert floor.refused("seller", floor.withdraw(batch, "seller")) == "settlement.nothing_withdrawn"
    floor.do("custodian", floor.withdraw(batch, "custodian"))
    assert floor.held("seller", floor.bond).available == LOT


@pytest.mark.parametrize("name", ["custodian", "buyer"])
def test_what_the_servicer_approved_is_taken_back_by_it_or_the_receiver_only(floor: Floor, name: str) -> None:
    account = floor.open_account("buyer", servicer="custodian", credit=CreditControl.SERVICER)
    batch = floor.create()
    floor.affirm("custodian", batch, (), [floor.into(0, "buyer", account)])
    for stranger in ("seller", "bank"):
        code = floor.refused(stranger, floor.withdraw(batch, stranger))
        assert code == "settlement.nothing_withdrawn"
    floor.do(name, floor.withdraw(batch, name))
    assert floor.batch(batch).approvals == (None, None)


@pytest.mark.parametrize("name", ["seller", "buyer"])
def test_a_complete_batch_is_irrevocable(floor: Floor, name: str) -> None:
    batch = floor.completed()
    assert floor.refused(name, floor.withdraw(batch, name)) == "settlement.irrevocable"


@pytest.mark.parametrize(("late_ms", "code"), [(-1, "settlement.irrevocable"), (0, None)])
def test_past_its_deadline_a_complete_batch_no_longer_binds(late_ms: int, code: str | None) -> None:
    floor = Floor(parameters=SLOW)
    batch = floor.completed()
    assert floor.at_deadline(batch, late_ms, "seller", floor.withdraw(batch, "seller")) == code
    floor.ledger.run_block(after_ms=1_000)
    floor.untouched()
    assert floor.batch(batch).status == "expired"
    floor.check()


@pytest.mark.parametrize("given", ["", "seller", "seller buyer"])
def test_the_requestor_cancels_and_everything_is_released(floor: Floor, given: str) -> None:
    batch = floor.create(settlers="bank")
    if "seller" in given:
        floor.seller_affirms(batch)
    if "buyer" in given:
        floor.buyer_affirms(batch)
    before = floor.batch(batch)
    receipt = floor.do("seller", floor.cancel(batch, reason="no-deal"))
    assert receipt.events[-1] == BatchReleased(batch, "cancelled", "no-deal")
    assert len(events_of(receipt, HoldEnded)) == len(given.split())
    floor.untouched()
    assert floor.batch(batch) == Batch(
        before.requestor, "cancelled", before.deadline_ms, before.terms, 2, False, (), (), (), (), (), ()
    )


@pytest.mark.parametrize("name", ["buyer", "bank", "court"])
def test_nobody_else_cancels(floor: Floor, name: str) -> None:
    batch = floor.completed()
    assert floor.refused(name, floor.cancel(batch, name)) == "settlement.not_requestor"


def test_a_cancelled_batch_has_ended(floor: Floor) -> None:
    batch = floor.completed()
    floor.do("seller", floor.cancel(batch))
    assert floor.refused("seller", floor.cancel(batch)) == "settlement.batch_ended"
    assert floor.refused("bank", floor.settle(batch)) == "settlement.batch_ended"
    assert floor.refused("seller", floor.withdraw(batch, "seller")) == "settlement.batch_ended"
    floor.ledger.run_block(after_ms=LIFE_MS)
    assert floor.batch(batch).status == "cancelled"


@pytest.mark.parametrize("complete", [True, False])
def test_the_deadline_releases_everything(floor: Floor, complete: bool) -> None:
    batch = floor.create(settlers="bank")
    floor.seller_affirms(batch)
    if complete:
        floor.buyer_affirms(batch)
    left_ms = floor.batch(batch).deadline_ms - floor.time_ms
    floor.ledger.run_block(after_ms=left_ms - 1)
    assert floor.batch(batch).status == "open"
    floor.ledger.run_block(after_ms=1)
    assert floor.batch(batch).status == "expired"
    floor.untouched()


def test_the_deadline_leaves_a_settled_batch_alone(floor: Floor) -> None:
    batch = floor.completed()
    floor.do("bank", floor.settle(batch))
    floor.ledger.run_block(after_ms=LIFE_MS)
    assert floor.batch(batch).status == "settled"
    floor.settled()


def test_an_ended_batch_waits_for_no_deadline(floor: Floor) -> None:
    for end in ("settle", "cancel"):
        batch = floor.completed()
        name, message = ("bank", floor.settle(batch)) if end == "settle" else ("seller", floor.cancel(batch))
        floor.do(name, message)
        assert floor.ledger.application.next_due_ms() is None


def test_an_expiry_of_what_has_ended_or_never_was_changes_nothing(floor: Floor) -> None:
    batch = floor.completed()
    floor.do("bank", floor.settle(batch))
    for key in (batch, b"\xee" * 16):
        receipt = floor.call(partial(floor.keeper.expire, batch=key))
        assert receipt.events == ()
    floor.settled()


def test_what_does_not_exist_is_neither_cancelled_withdrawn_nor_settled(floor: Floor) -> None:
    batch = b"\xee" * 16
    for message in (floor.cancel(batch, "bank"), floor.withdraw(batch, "bank"), floor.settle(batch)):
        assert floor.refused("bank", message) == "settlement.batch_unknown"
