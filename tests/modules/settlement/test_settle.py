"""Delivery versus payment: both or neither, once, by those who may."""

from typing import Any

import pytest

from modules.settlement.desk import LIFE_MS, LOT, PRICE, SLOW, Floor, events_of
from support.ledger import Key
from traco.kernel.module import Context
from traco.modules.holding.events import Cause, HoldEnd, HoldEnded, HoldExecuted, Moved
from traco.modules.holding.messages import Attach, CloseAccount, LiftAttachment, Transfer
from traco.modules.holding.state import InstrumentKind, attachment_id
from traco.modules.party.messages import SetStatus
from traco.modules.settlement.events import Affirmed, BatchSettled
from traco.modules.settlement.state import Batch, hold_id

SALT = b"s" * 16


def test_a_complete_batch_that_settles_itself_moves_both_legs(floor: Floor) -> None:
    batch = floor.create()
    floor.seller_affirms(batch)
    receipt = floor.buyer_affirms(batch)
    floor.settled()
    seller, buyer = floor.accounts["seller"], floor.accounts["buyer"]
    assert receipt.events[1:] == (
        Affirmed(batch, floor.ids["buyer"], (1,), (0,), True),
        Moved(floor.bond, seller, buyer, LOT, b"bonds", Cause.HOLD),
        HoldExecuted(hold_id(batch, 0), LOT, 0),
        HoldEnded(hold_id(batch, 0), HoldEnd.EXECUTED, 0),
        Moved(floor.cash, buyer, seller, PRICE, b"price", Cause.HOLD),
        HoldExecuted(hold_id(batch, 1), PRICE, 0),
        HoldEnded(hold_id(batch, 1), HoldEnd.EXECUTED, 0),
        BatchSettled(batch),
    )


def test_a_settled_batch_keeps_its_status_and_terms_only(floor: Floor) -> None:
    batch = floor.create()
    before = floor.batch(batch)
    floor.seller_affirms(batch)
    floor.buyer_affirms(batch)
    assert floor.batch(batch) == Batch(
        before.requestor, "settled", before.deadline_ms, before.terms, 2, True, (), (), (), (), (), ()
    )
    assert floor.batch(batch).complete is False


@pytest.mark.parametrize("settler", ["bank", "rival"])
def test_any_settler_settles_a_complete_batch(floor: Floor, settler: str) -> None:
    batch = floor.completed(settlers="bank rival")
    assert floor.positions() == [(990, 10), (0, 0), (0, 0), (995_000, 5_000)]
    receipt = floor.do(settler, floor.settle(batch, settler))
    assert events_of(receipt, BatchSettled) == [BatchSettled(batch)]
    floor.settled()


@pytest.mark.parametrize("stranger", ["seller", "buyer", "rival", "court"])
def test_nobody_else_settles(floor: Floor, stranger: str) -> None:
    batch = floor.completed()
    assert floor.refused(stranger, floor.settle(batch, stranger)) == "settlement.not_settler"


def test_nobody_settles_a_batch_that_settles_itself(floor: Floor) -> None:
    batch = floor.create()
    assert floor.refused("seller", floor.settle(batch, "seller")) == "settlement.not_settler"


@pytest.mark.parametrize("missing", range(4))
def test_a_batch_settles_only_when_complete(floor: Floor, missing: int) -> None:
    batch = floor.create(settlers="bank")
    sellers = (
        [floor.own(0, "seller")] if missing != 0 else [],
        [floor.into(1, "seller")] if missing != 1 else [],
    )
    buyers = [floor.own(1, "buyer")] if missing != 2 else [], [floor.into(0, "buyer")] if missing != 3 else []
    floor.affirm("seller", batch, *sellers)
    floor.affirm("buyer", batch, *buyers)
    answer = floor.ledger.submit(floor.settle(batch), keys=[Key("bank")])
    assert answer.failure is not None
    assert (answer.failure.code, dict(answer.failure.fields)["missing"]) == ("settlement.not_complete", 1)


def test_a_batch_settles_once(floor: Floor) -> None:
    batch = floor.completed()
    floor.do("bank", floor.settle(batch))
    assert floor.refused("bank", floor.settle(batch)) == "settlement.batch_ended"
    floor.settled()


def test_a_settled_batch_takes_no_affirmation_withdrawal_or_cancellation(floor: Floor) -> None:
    batch = floor.completed()
    floor.do("bank", floor.settle(batch))
    assert floor.affirm_refused("seller", batch, [floor.own(0, "seller")]) == "settlement.batch_ended"
    assert floor.refused("seller", floor.withdraw(batch, "seller")) == "settlement.batch_ended"
    assert floor.refused("seller", floor.cancel(batch)) == "settlement.batch_ended"


@pytest.mark.parametrize(("late_ms", "code"), [(-1, None), (0, "settlement.deadline_past")])
def test_a_batch_settles_before_its_deadline(late_ms: int, code: str | None) -> None:
    floor = Floor(parameters=SLOW)
    batch = floor.completed()
    assert floor.at_deadline(batch, late_ms, "bank", floor.settle(batch)) == code


# both or neither


def test_with_cash_short_neither_leg_moves(floor: Floor) -> None:
    batch = floor.create(floor.dvp(price=1_000_001))
    floor.seller_affirms(batch)
    parts = [floor.own(1, "buyer")], [floor.into(0, "buyer")]
    assert floor.affirm_refused("buyer", batch, *parts) == "holding.insufficient"
    assert floor.positions() == [(990, 10), (0, 0), (0, 0), (1_000_000, 0)]


def test_with_an_account_closed_meanwhile_neither_leg_moves_until_the_deadline_frees_both(
    floor: Floor,
) -> None:
    spare = floor.open_account("buyer")
    batch = floor.create(settlers="bank")
    floor.seller_affirms(batch)
    floor.affirm("buyer", batch, [floor.own(1, "buyer")], [floor.into(0, "buyer", spare)])
    floor.do("buyer", CloseAccount(floor.ids["buyer"], spare))
    assert floor.refused("bank", floor.settle(batch)) == "holding.account_closed"
    assert floor.batch(batch).status == "open"
    floor.ledger.run_block(after_ms=LIFE_MS)
    floor.untouched()


class Ban:
    """A transfer check that refuses what it is told to."""

    def __init__(self) -> None:
        self.reason = ""

    def __call__(
        self, context: Context, instrument: bytes, sender: bytes, receiver: bytes, amount: int, /
    ) -> str:
        return self.reason


def test_with_a_transfer_check_refusing_neither_leg_moves() -> None:
    ban = Ban()
    floor = Floor(transfer_checks={"test.ban": ban})
    share = floor.create_instrument("SHARE", InstrumentKind.SECURITY, "test.ban")
    floor.issue(share, "seller", 5)
    batch = floor.create(
        [floor.leg("buyer", "seller", floor.cash, PRICE), floor.leg("seller", "buyer", share, 5)]
    )
    floor.affirm("seller", batch, [floor.own(1, "seller")], [floor.into(0, "seller")])
    ban.reason = "not-eligible"
    parts: Any = [floor.own(0, "buyer")], [floor.into(1, "buyer")]
    assert floor.affirm_refused("buyer", batch, *parts) == "holding.transfer_refused"
    floor.untouched()
    assert floor.balances(share, "seller buyer") == [(0, 5), (0, 0)]
    ban.reason = ""
    floor.affirm("buyer", batch, *parts)
    assert floor.balances(share, "seller buyer") == [(0, 0), (5, 0)]
    floor.check()


def test_what_is_allocated_cannot_be_spent_elsewhere(floor: Floor) -> None:
    batch = floor.create(floor.dvp(amount=1_000))
    floor.seller_affirms(batch)
    away = Transfer(floor.ids["seller"], floor.bond, floor.accounts["seller"], floor.accounts["bank"], 1, b"")
    assert floor.refused("seller", away) == "holding.insufficient"
    floor.buyer_affirms(batch)
    assert floor.balances(floor.bond, "seller buyer") == [(0, 0), (1_000, 0)]


def test_an_attachment_of_the_rest_does_not_stop_what_is_allocated(floor: Floor) -> None:
    batch = floor.completed()
    court = floor.ids["court"]
    floor.do("court", Attach(court, floor.accounts["seller"], floor.bond, 995, b"o" * 32, SALT))
    assert floor.held("seller", floor.bond).attached == 990
    floor.do("bank", floor.settle(batch))
    assert floor.held("buyer", floor.bond).available == LOT
    assert floor.held("seller", floor.bond).awaited == 5


def test_an_attachment_bites_on_what_a_settlement_brings_or_a_release_returns(floor: Floor) -> None:
    batch = floor.completed()
    court, salts = floor.ids["court"], (b"1" * 16, b"2" * 16)
    floor.do(
        "court",
        Attach(court, floor.accounts["buyer"], floor.bond, 4, b"o" * 32, salts[0]),
        Attach(court, floor.accounts["seller"], floor.bond, 995, b"o" * 32, salts[1]),
    )
    floor.do("seller", floor.cancel(batch))
    assert floor.held("seller", floor.bond).attached == 995
    assert floor.held("buyer", floor.bond).awaited == 4
    floor.do("court", *(LiftAttachment(court, attachment_id(court, salt)) for salt in salts))
    floor.untouched()


def test_a_party_suspended_after_it_affirmed_stays_bound(floor: Floor) -> None:
    batch = floor.completed()
    floor.do("council", SetStatus(floor.ids["council"], floor.ids["buyer"], "suspended", "review"))
    floor.do("bank", floor.settle(batch))
    floor.settled()


def test_legs_between_more_parties_settle_together(floor: Floor) -> None:
    legs = [
        floor.leg("seller", "bank", floor.bond, 7),
        floor.leg("bank", "buyer", floor.cash, 300),
        floor.leg("buyer", "seller", floor.cash, 200),
    ]
    batch = floor.create(legs)
    floor.affirm("seller", batch, [floor.own(0, "seller")], [floor.into(2, "seller")])
    floor.affirm("bank", batch, [floor.own(1, "bank")], [floor.into(0, "bank")])
    assert floor.batch(batch).status == "open"
    floor.affirm("buyer", batch, [floor.own(2, "buyer")], [floor.into(1, "buyer")])
    assert floor.balances(floor.bond, "seller bank") == [(993, 0), (7, 0)]
    assert floor.balances(floor.cash, "seller buyer bank") == [(200, 0), (1_000_100, 0), (999_700, 0)]


def test_a_party_settles_between_accounts_of_its_own(floor: Floor) -> None:
    spare = floor.open_account("seller", servicer="custodian")
    batch = floor.create([floor.leg("seller", "seller", floor.bond, 3)])
    floor.affirm("seller", batch, [floor.own(0, "seller")], [floor.into(0, "seller", spare)])
    assert floor.holding.keeper.holding(floor.state, floor.bond, spare).available == 3
