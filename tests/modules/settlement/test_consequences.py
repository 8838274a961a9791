"""Consequences that modules attach: they run in the same overlay, and may veto a settlement."""

import pytest

from modules.settlement.desk import LIFE_MS, Desk, Floor, Mark, Marked, Veto
from traco.kernel.codec import encode
from traco.modules.settlement.events import BatchReleased, BatchSettled

MARKS = [Mark(1), Mark(2)]


def test_consequences_of_settling_run_in_order_after_all_legs(floor: Floor) -> None:
    batch = floor.create_with(on_settle=MARKS, on_release=[Mark(3)])
    floor.seller_affirms(batch)
    receipt = floor.buyer_affirms(batch)
    assert receipt.events[-3:] == (BatchSettled(batch), Marked(1), Marked(2))
    floor.settled()


def test_a_veto_undoes_legs_and_earlier_consequences(floor: Floor) -> None:
    batch = floor.create_with(on_settle=[Mark(1), Veto()])
    floor.seller_affirms(batch)
    parts = [floor.own(1, "buyer")], [floor.into(0, "buyer")]
    assert floor.affirm_refused("buyer", batch, *parts) == "desk.vetoed"
    assert floor.positions() == [(990, 10), (0, 0), (0, 0), (1_000_000, 0)]
    assert floor.batch(batch).status == "open"


def test_a_veto_holds_against_a_settler_too(floor: Floor) -> None:
    batch = floor.create_with(on_settle=[Veto()], settlers="bank")
    floor.seller_affirms(batch)
    floor.buyer_affirms(batch)
    assert floor.refused("bank", floor.settle(batch)) == "desk.vetoed"
    assert floor.batch(batch).complete is True


def test_consequences_of_releasing_run_when_it_is_cancelled(floor: Floor) -> None:
    batch = floor.create_with(on_settle=[Veto()], on_release=MARKS)
    receipt = floor.do("seller", floor.cancel(batch))
    assert receipt.events == (BatchReleased(batch, "cancelled", "no-deal"), Marked(1), Marked(2))


def test_consequences_of_releasing_run_when_it_expires(floor: Floor) -> None:
    batch = floor.create_with(on_release=MARKS)
    floor.seller_affirms(batch)
    floor.ledger.run_block(after_ms=LIFE_MS)
    receipt = floor.ledger.registry.receipt.decode(floor.ledger.store.blocks[-1].leaves[0].receipt)
    assert receipt.events[-3:] == (
        BatchReleased(batch, "expired", "settlement.deadline"), Marked(1), Marked(2),
    )  # fmt: skip
    floor.untouched()


@pytest.mark.parametrize("where", ["on_settle", "on_release"])
def test_no_value_is_withdrawn_from_a_batch_that_a_module_made(floor: Floor, where: str) -> None:
    batch = (
        floor.create_with(on_settle=MARKS) if where == "on_settle" else floor.create_with(on_release=MARKS)
    )
    floor.seller_affirms(batch)
    assert floor.refused("seller", floor.withdraw(batch, "seller")) == "settlement.bound_by_module"
    assert floor.batch(batch).allocations[0] is not None


def test_a_release_that_is_wrongly_refused_keeps_no_value_locked(floor: Floor) -> None:
    batch = floor.create_with(on_release=[Veto()], settlers="bank")
    floor.seller_affirms(batch)
    floor.buyer_affirms(batch)
    floor.ledger.run_block(after_ms=LIFE_MS)
    assert floor.batch(batch).status == "open"
    for name in ("seller", "buyer"):
        floor.do(name, floor.withdraw(batch, name))
    floor.untouched()


@pytest.mark.parametrize("what", ["settle", "cancel", "withdraw", "affirm"])
def test_a_consequence_meets_a_batch_that_has_ended(floor: Floor, what: str) -> None:
    batches: list[bytes] = []
    keeper, seller = floor.keeper, floor.ids["seller"]
    action = {
        "settle": lambda context: keeper.settle(context, batches[0]),
        "cancel": lambda context: keeper.cancel(context, batches[0], "again"),
        "withdraw": lambda context: keeper.withdraw(context, seller, batches[0]),
        "affirm": lambda context: keeper.affirm(context, seller, batches[0], (floor.own(0, "seller"),), ()),
    }[what]
    batches.append(floor.create_with(on_settle=[floor.meddle(action)]))
    floor.seller_affirms(batches[0])
    parts = [floor.own(1, "buyer")], [floor.into(0, "buyer")]
    assert floor.affirm_refused("buyer", batches[0], *parts) == "settlement.batch_ended"


def test_a_consequence_may_use_another_batch(floor: Floor) -> None:
    other = floor.completed()
    batch = floor.create_with(on_settle=[floor.meddle(lambda context: floor.keeper.settle(context, other))])
    floor.seller_affirms(batch)
    floor.buyer_affirms(batch)
    assert [floor.batch(item).status for item in (batch, other)] == ["settled", "settled"]
    assert floor.balances(floor.bond, "seller buyer") == [(980, 0), (20, 0)]


@pytest.mark.parametrize("where", ["on_settle", "on_release"])
@pytest.mark.parametrize(("count", "fault"), [(8, False), (9, True)])
def test_a_batch_carries_up_to_eight_consequences_of_each_kind(where: str, count: int, fault: bool) -> None:
    floor, message = (made := Floor()), made.request()
    attached = {"on_settle": (), "on_release": (), where: (encode(Mark(1)),) * count}
    call = floor.call_of(
        lambda context: floor.keeper.create(
            context, message.party, message.legs, message.settlers, message.auto, message.deadline_ms,
            attached["on_settle"], attached["on_release"], message.salt,
        )
    )  # fmt: skip
    if fault:
        assert floor.refused("bank", call) == "kernel.fault"
        assert len(floor.ledger.alarms) == 1
    else:
        floor.do("bank", call)


def test_the_instruction_attaches_none(floor: Floor) -> None:
    batch = floor.batch(floor.create())
    assert (batch.on_settle, batch.on_release) == ((), ())
    assert isinstance(floor.desk, Desk)
