"""What batch holds take over the ledger's edge: in, issued when it is decided, or out, redeemed then."""

import pytest

from modules.holding.desk import Make, Market
from traco.kernel.batch_hold import BATCH_HOLD_TABLE, EDGE, BatchHold, Movement
from traco.kernel.due import KERNEL_PREFIX
from traco.kernel.module import Context
from traco.kernel.state import State, Table
from traco.modules.holding.events import Issued, Redeemed, ReservationReleased, Reserved
from traco.modules.holding.messages import CloseInstrument, Issue
from traco.modules.holding.state import PENDING, SUPPLIES, Holding, Pending, Supply

HOLDS: Table[BatchHold] = Table(KERNEL_PREFIX, BATCH_HOLD_TABLE, BatchHold)


class Ends:
    """The bank's account with 100, the dealer's with nothing."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.a, self.b = market.funded("bank", 100), market.open("dealer")

    def out(self, amount: int, number: int = 1) -> Make:
        """The bank's amount leaves the ledger."""
        return self.market.batch((self.a, EDGE, amount), number=number)

    def into(self, amount: int, number: int = 1) -> Make:
        """An amount for the dealer enters the ledger."""
        return self.market.batch((EDGE, self.b, amount), number=number)


@pytest.fixture
def ends(market: Market) -> Ends:
    return Ends(market)


def supply(market: Market) -> Supply | None:
    return market.keeper.supply(market.state, market.cash)


def test_what_goes_out_stands_in_the_bucket_until_it_is_redeemed(market: Market, ends: Ends) -> None:
    made = market.do("bank", ends.out(60))
    assert made.events == (Reserved(market.cash, ends.a, EDGE, 60, b"batch"),)
    assert market.holding(ends.a) == Holding(40, 0, 0, 0, 60, 0, 0)
    decided = market.do("bank", market.decide(commit=True))
    assert decided.events == (
        ReservationReleased(market.cash, ends.a, EDGE, 60, b"batch"),
        Redeemed(market.cash, ends.a, 60, b"batch"),
    )
    assert supply(market) == Supply(100, 60, 40, 2**63 - 1, 0)
    assert market.ledger.check_invariants() == []


def test_what_comes_in_is_reserved_until_it_is_issued(market: Market, ends: Ends) -> None:
    market.do("bank", ends.into(60))
    assert market.holding(ends.b) == Holding(0, 0, 0, 0, 0, 60, 0)
    assert PENDING.get(market.state, market.cash) == Pending(60)
    decided = market.do("bank", market.decide(commit=True))
    assert decided.events == (
        ReservationReleased(market.cash, EDGE, ends.b, 60, b"batch"),
        Issued(market.cash, ends.b, 60, b"batch"),
    )
    assert supply(market) == Supply(160, 0, 160, 2**63 - 1, 0)
    assert market.ledger.check_invariants() == []


def test_what_is_released_leaves_everything_as_it_was(market: Market, ends: Ends) -> None:
    root = market.ledger.application.tree.root()
    market.do("bank", ends.out(60, 1), ends.into(60, 2))
    assert market.ledger.application.tree.root() != root
    market.do("bank", market.decide(commit=False, number=1), market.decide(commit=False, number=2))
    assert market.holding(ends.a) == Holding(100, 0, 0, 0, 0, 0, 0)
    assert market.holding(ends.b) == Holding(0, 0, 0, 0, 0, 0, 0)
    assert PENDING.get(market.state, market.cash) is None
    assert market.ledger.check_invariants() == []


def test_nothing_goes_out_that_is_not_there(market: Market, ends: Ends) -> None:
    assert market.refused("bank", ends.out(101)) == "holding.insufficient"


def test_nothing_crosses_of_an_instrument_or_account_that_is_not_open(market: Market, ends: Ends) -> None:
    assert market.refused("bank", market.batch((EDGE, EDGE, 1))) == "holding.account_unknown"
    strange = Make(market.ids["bank"], bytes(32), (Movement(b"\xee" * 16, ends.a, EDGE, 1, b""),))
    assert market.refused("bank", strange) == "holding.instrument_unknown"


def test_an_issue_finds_no_room_that_is_reserved(market: Market, ends: Ends) -> None:
    bond = market.create("central", "CAPPED", cap=100)
    entering = Make(market.ids["bank"], bytes(32), (Movement(bond, EDGE, ends.b, 60, b""),))
    market.do("bank", entering)
    issue = Issue(market.ids["central"], bond, ends.b, 41, b"")
    assert market.refused("central", issue) == "holding.supply_exceeded"
    market.do("central", Issue(market.ids["central"], bond, ends.b, 40, b""))
    assert (
        market.refused("central", CloseInstrument(market.ids["central"], bond)) == "holding.instrument_in_use"
    )


def test_room_that_no_batch_hold_reserves_is_a_fault(market: Market, ends: Ends) -> None:
    def reserve(context: Context) -> None:
        PENDING.put(context.state, Pending(1), market.cash)

    assert market.faults(reserve)


def test_a_batch_hold_that_reserves_no_room_is_a_fault(market: Market, ends: Ends) -> None:
    market.do("bank", ends.into(60))

    def forget(context: Context) -> None:
        PENDING.delete(context.state, market.cash)

    assert market.faults(forget)


def test_an_issue_behind_the_batch_holds_back_is_a_fault(market: Market, ends: Ends) -> None:
    market.do("bank", ends.into(60))

    def issue(context: Context) -> None:
        found = SUPPLIES.get(context.state, market.cash)
        assert found is not None
        SUPPLIES.put(
            context.state, Supply(found.issued + 60, 0, found.outstanding + 60, found.cap, 0), market.cash
        )

    assert market.faults(issue)


def test_the_audit_finds_room_that_does_not_agree(market: Market, ends: Ends) -> None:
    market.do("bank", ends.into(60))
    state: State = market.state
    PENDING.put(state, Pending(59), market.cash)
    assert len(market.ledger.check_invariants()) == 1
    state.reset(committed=False)
