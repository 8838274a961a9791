"""Each invariant rings when what it guards is broken, in the transaction and in an audit."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from modules.settlement.desk import LOT, Floor
from traco.kernel.errors import InvariantBroken
from traco.kernel.module import Context
from traco.modules.settlement.messages import IntoAccount
from traco.modules.settlement.state import BATCHES, Batch, hold_id

Break = Callable[[Floor, bytes, Context], object]


def put(floor: Floor, batch: bytes, context: Context, **changes: Any) -> None:
    BATCHES.put(context.state, replace(floor.batch(batch), **changes), batch)


def ended(floor: Floor, batch: bytes, context: Context) -> None:
    nothing = {"legs": (), "allocations": (), "approvals": ()}
    put(floor, batch, context, status="settled", **nothing)


def with_another_hold(
    floor: Floor,
    batch: bytes,
    context: Context,
    name: str = "seller",
    amount: int = LOT,
    executor: bytes = b"",
) -> None:
    """Replace the hold of leg 0 and write the batch again, as a bug of this module might."""
    instrument, keeper = floor.bond if name == "seller" else floor.cash, floor.holding.keeper
    keeper.release_hold(context, hold_id(batch, 0))
    keeper.hold(
        context, hold_id(batch, 0), floor.accounts[name], instrument, amount, executor or batch, 0, b""
    )
    put(floor, batch, context)


BREAKS: list[tuple[str, Break]] = [
    ("kept", lambda floor, batch, context: BATCHES.delete(context.state, batch)),
    ("shape", lambda floor, batch, context: put(floor, batch, context, allocations=(None,))),
    ("shape", lambda floor, batch, context: put(floor, batch, context, approvals=(None,) * 3)),
    ("shape", lambda floor, batch, context: put(floor, batch, context, legs=floor.dvp()[:1])),
    ("shape", lambda floor, batch, context: put(floor, batch, context, status="settled")),
    ("holds", ended),
    ("holds", lambda floor, batch, context: put(floor, batch, context, allocations=(None, None))),
    ("holds", lambda floor, batch, context: put(floor, batch, context, allocations=(floor.own(0, "seller")[1],) * 2)),
    ("holds", lambda floor, batch, context: with_another_hold(floor, batch, context, amount=LOT - 1)),
    ("holds", lambda floor, batch, context: with_another_hold(floor, batch, context, name="rival")),
    ("holds", lambda floor, batch, context: with_another_hold(floor, batch, context, executor=b"x" * 16)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "action"), BREAKS)
def test_a_transaction_that_breaks_it_is_a_fault(floor: Floor, name: str, action: Break) -> None:
    batch = floor.create()
    floor.affirm("seller", batch, [floor.own(0, "seller")])
    assert floor.call_refused(lambda context: action(floor, batch, context)) == "kernel.fault"
    (alarm,) = floor.ledger.alarms
    assert isinstance(alarm[1], InvariantBroken)
    assert alarm[1].name == f"settlement.{name}"
    floor.expected_alarms = 1


def test_a_hold_that_is_gone_rings_in_the_next_transaction_of_its_batch(floor: Floor) -> None:
    batch = floor.create(settlers="bank")
    floor.affirm("seller", batch, [floor.own(0, "seller")])
    floor.call(lambda context: floor.holding.keeper.release_hold(context, hold_id(batch, 0)))
    key = BATCHES.key(batch).hex()
    assert floor.ledger.check_invariants() == [f"settlement.holds at {key}"]
    assert floor.affirm_refused("seller", batch, (), [floor.into(1, "seller")]) == "kernel.fault"
    floor.expected_alarms = 1
    account = floor.accounts["seller"]
    floor.call(
        lambda context: floor.holding.keeper.hold(
            context, hold_id(batch, 0), account, floor.bond, LOT, batch, 0, b""
        )
    )


def test_an_audit_finds_what_is_broken_in_the_whole_ledger(floor: Floor) -> None:
    first, second = floor.create(), floor.create()
    check = floor.settlement.ledger_invariants[0]
    assert check(floor.state) == []
    mark = floor.state.mark()
    for batch in (first, second):
        BATCHES.put(floor.state, replace(floor.batch(batch), approvals=(IntoAccount(b"a" * 16),)), batch)
    expected = sorted(f"settlement.shape at {BATCHES.key(batch).hex()}" for batch in (first, second))
    assert check(floor.state) == expected
    floor.state.rollback(mark)


def test_an_ended_batch_has_no_content() -> None:
    assert Batch(b"r" * 16, "settled", 1, b"t" * 32, 2, True, (), (), (), (), (), ()).complete is False
