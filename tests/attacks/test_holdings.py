"""Attacks on value: sums beyond an amount, orders evaded, authority borrowed through proposals."""

from collections.abc import Iterator

import pytest

from support.market import CASH, Market
from traco.kernel.codec import MAX_AMOUNT, MAX_TIME_MS, encode
from traco.kernel.instruction import Instruction
from traco.kernel.operations import Propose
from traco.modules.holding.messages import (
    Attach,
    Hold,
    Issue,
    Redeem,
    ReleaseHold,
    Transfer,
    hold_id,
)
from traco.modules.settlement.messages import (
    Affirm,
    CreateBatch,
    OwnHolding,
    SettlementInstruction,
    batch_id,
    terms_hash,
)

ORDER = b"\1" * 32


@pytest.fixture
def market() -> Iterator[Market]:
    """A market on a fresh ledger, whose invariants hold in the end."""
    made = Market()
    yield made
    made.check()


def attach(market: Market, amount: int) -> Attach:
    return Attach(
        market.ids["court"], market.accounts["bank"], market.cash, amount, ORDER, market.ledger.salt()
    )


def propose(market: Market, by: str, *inner: Instruction) -> Propose:
    return Propose(market.ids[by], encode(inner), market.time_ms + 100_000, market.ledger.salt())


def hold_of(market: Market, executor: str, amount: int = CASH) -> Hold:
    bank, account = market.ids["bank"], market.accounts["bank"]
    executing = market.ids[executor]
    return Hold(bank, account, market.cash, amount, executing, MAX_TIME_MS, b"", market.ledger.salt())


def test_two_orders_for_everything_are_no_fault(market: Market) -> None:
    market.do("court", attach(market, MAX_AMOUNT))
    assert market.refused("court", attach(market, MAX_AMOUNT)) == "holding.awaiting_exceeded"
    assert market.held("bank", market.cash).awaited == MAX_AMOUNT - CASH


def test_what_is_awaited_may_be_an_amount_and_not_one_unit_more(market: Market) -> None:
    market.do("court", attach(market, MAX_AMOUNT))
    market.do("court", attach(market, CASH))
    assert market.held("bank", market.cash).awaited == MAX_AMOUNT
    assert market.refused("court", attach(market, 1)) == "holding.awaiting_exceeded"


def test_no_total_outgrows_an_amount(market: Market) -> None:
    attack = Issue(market.ids["central"], market.cash, market.accounts["bank"], MAX_AMOUNT, b"")
    assert market.refused("central", attack) == "holding.supply_exceeded"


def test_an_order_is_not_evaded_by_holding_for_oneself(market: Market) -> None:
    assert market.refused("bank", hold_of(market, "bank")) == "holding.executor_is_holder"


def test_what_an_executor_returns_is_attached_before_the_holder_can_spend_it(market: Market) -> None:
    hold = hold_of(market, "rival")
    market.do("bank", hold)
    market.do("court", attach(market, CASH))
    market.do("rival", ReleaseHold(market.ids["rival"], hold_id(hold.party, hold.salt)))
    spend = Transfer(hold.party, market.cash, hold.account, market.accounts["rival"], 1, b"")
    assert market.refused("bank", spend) == "holding.attached"
    assert market.held("bank", market.cash).attached == CASH


def test_a_holder_without_the_executor_does_not_end_a_hold(market: Market) -> None:
    hold = hold_of(market, "rival")
    market.do("bank", hold)
    identity = hold_id(hold.party, hold.salt)
    assert market.refused("bank", ReleaseHold(hold.party, identity)) == "holding.not_executor"


def test_a_proposal_does_not_carry_what_another_party_must_sign(market: Market) -> None:
    transfer = Transfer(
        market.ids["buyer"], market.cash, market.accounts["buyer"], market.accounts["bank"], 1, b""
    )
    redemption = Redeem(
        market.ids["central"], market.ids["buyer"], market.cash, market.accounts["buyer"], 1, b""
    )
    assert market.refused("bank", propose(market, "bank", transfer)) == "kernel.proposal_foreign"
    assert market.refused("central", propose(market, "central", redemption)) == "kernel.proposal_foreign"


def test_a_proposal_does_not_carry_a_proposal(market: Market) -> None:
    inner = propose(market, "bank", hold_of(market, "rival"))
    assert market.refused("bank", propose(market, "bank", inner)) == "kernel.proposal_foreign"


@pytest.mark.parametrize("operation", [b"\x90", b"\xdc\0\0", b"\x91" * 30_000, b"\xc1", encode((1, 2))])
def test_a_proposal_of_hostile_bytes_is_refused(market: Market, operation: bytes) -> None:
    expires_ms, salt = market.time_ms + 100_000, market.ledger.salt()
    attack = Propose(market.ids["bank"], operation, expires_ms, salt)
    assert market.refused("bank", attack) == "kernel.operation_malformed"


def test_one_allocation_of_a_leg_is_not_given_twice_in_one_affirmation(market: Market) -> None:
    bank, buyer, salt = market.ids["bank"], market.ids["buyer"], market.ledger.salt()
    deadline_ms = market.time_ms + 9_000
    legs = (SettlementInstruction(bank, buyer, market.cash, 5),)
    market.do("bank", CreateBatch(bank, legs, (), True, deadline_ms, salt))
    part = (0, OwnHolding(market.accounts["bank"]))
    terms = terms_hash(legs, (), True, deadline_ms)
    attack = Affirm(bank, batch_id(bank, salt), terms, (part, part), ())
    assert market.refused("bank", attack) == "settlement.allocated_before"
