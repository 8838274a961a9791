"""Holds: placed, executed in whole or in part, released, expired."""

import pytest

from modules.holding.desk import Market, events_of
from traco.modules.holding.events import (
    Cause,
    HoldEnd,
    HoldEnded,
    HoldExecuted,
    HoldPlaced,
    Moved,
)
from traco.modules.holding.messages import (
    CloseAccount,
    CreditControl,
    DebitControl,
    ExecuteHold,
    Hold,
    ReleaseHold,
    hold_id,
)
from traco.modules.holding.state import Holding, OpenHold

SALT = b"s" * 16
LIFE_MS = 60_000


class Held:
    """60 of the bank's 100 held for the dealer for a minute."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.a, self.b = market.funded("bank", 100), market.open("dealer")
        self.bank, self.dealer = market.ids["bank"], market.ids["dealer"]
        self.hold = hold_id(self.bank, SALT)
        self.expires_ms = market.ledger.time_ms + LIFE_MS
        self.placed = market.do("bank", self.message(60))

    def message(self, amount: int, expires_ms: int = 0, salt: bytes = SALT) -> Hold:
        return Hold(
            self.bank,
            self.a,
            self.market.cash,
            amount,
            self.dealer,
            expires_ms or self.expires_ms,
            b"deal",
            salt,
        )

    def execute(self, amount: int, final: bool = False) -> ExecuteHold:
        return ExecuteHold(self.dealer, self.hold, self.market.cash, self.b, amount, final, b"paid")

    def pass_to_expiry(self, before_ms: int) -> None:
        """Run an empty block that many milliseconds before the expiry."""
        self.market.ledger.run_block(after_ms=self.expires_ms - before_ms - self.market.ledger.time_ms)


@pytest.fixture
def held(market: Market) -> Held:
    return Held(market)


def test_a_hold_sets_part_of_a_holding_aside_and_says_so(market: Market, held: Held) -> None:
    assert market.holding(held.a) == Holding(40, 60, 0, 0, 0, 0, 0)
    record = OpenHold(held.a, market.cash, 60, held.dealer, held.expires_ms, b"deal")
    assert held.placed.events == (
        HoldPlaced(held.hold, held.a, market.cash, 60, held.dealer, held.expires_ms, b"deal"),
    )
    assert market.keeper.encumbrances.hold_of(market.state, held.hold) == record


def test_what_is_held_is_not_available(market: Market, held: Held) -> None:
    assert market.refused("bank", market.pay("bank", held.a, held.b, 41)) == "holding.insufficient"
    assert market.refused("bank", held.message(41, salt=b"t" * 16)) == "holding.insufficient"
    market.do("bank", held.message(40, salt=b"t" * 16))


def test_an_id_holds_once_while_open(market: Market, held: Held) -> None:
    assert market.refused("bank", held.message(1)) == "holding.hold_exists"
    market.do("dealer", ReleaseHold(held.dealer, held.hold))
    market.do("bank", held.message(1))


def test_only_who_controls_debits_places_a_hold(market: Market) -> None:
    account = market.funded("dealer", 10, servicer="bank", debit=DebitControl.SERVICER)
    expires = market.ledger.time_ms + LIFE_MS
    court = market.ids["court"]
    for name, code in (("dealer", "holding.debit_not_controlled"), ("court", "holding.debit_not_controlled")):
        party = market.ids[name]
        assert market.refused(name, Hold(party, account, market.cash, 1, court, expires, b"", SALT)) == code
    market.do("bank", Hold(market.ids["bank"], account, market.cash, 1, court, expires, b"", SALT))


@pytest.mark.parametrize("executor", ["dealer", "bank"])
def test_neither_the_owner_nor_who_controls_debits_is_the_executor(market: Market, executor: str) -> None:
    account = market.funded("dealer", 10, servicer="bank", debit=DebitControl.SERVICER)
    expires = market.ledger.time_ms + LIFE_MS
    hold = Hold(market.ids["bank"], account, market.cash, 1, market.ids[executor], expires, b"", SALT)
    assert market.refused("bank", hold) == "holding.executor_is_holder"


def test_a_hold_must_expire_later_than_its_block(market: Market, held: Held) -> None:
    assert market.refused("bank", held.message(1, 1, b"t" * 16)) == "holding.hold_expiry_past"
    next_block_ms = market.ledger.time_ms + 1_000
    assert market.refused("bank", held.message(1, next_block_ms, b"t" * 16)) == "holding.hold_expiry_past"
    market.do("bank", held.message(1, market.ledger.time_ms + 1_001, b"t" * 16))


def test_a_hold_by_instruction_has_an_expiry(market: Market, held: Held) -> None:
    message = Hold(held.bank, held.a, market.cash, 1, held.dealer, 0, b"", b"t" * 16)
    assert market.refused("bank", message) == "holding.hold_expiry_past"


def test_the_executor_must_be_an_active_party(market: Market, held: Held) -> None:
    message = Hold(held.bank, held.a, market.cash, 1, b"\xee" * 16, held.expires_ms, b"", b"t" * 16)
    assert market.refused("bank", message) == "party.not_found"


def test_a_hold_is_on_an_open_account_and_a_known_instrument(market: Market, held: Held) -> None:
    for account, instrument, code in (
        (b"\xee" * 16, market.cash, "holding.account_unknown"),
        (held.a, b"\xee" * 16, "holding.instrument_unknown"),
    ):
        message = Hold(held.bank, account, instrument, 1, held.dealer, held.expires_ms, b"", b"t" * 16)
        assert market.refused("bank", message) == code
    keeper, ids = market.keeper, (b"t" * 32, b"\xee" * 16, market.cash)
    code = market.call_refused(lambda context: keeper.hold(context, *ids, 1, held.dealer, 0, b""))
    assert code == "holding.account_unknown"


def test_executing_all_of_a_hold_ends_it(market: Market, held: Held) -> None:
    receipt = market.do("dealer", held.execute(60))
    assert receipt.events == (
        Moved(market.cash, held.a, held.b, 60, b"paid", Cause.HOLD),
        HoldExecuted(held.hold, 60, 0),
        HoldEnded(held.hold, HoldEnd.EXECUTED, 0),
    )
    assert market.holding(held.a) == Holding(40, 0, 0, 0, 0, 0, 0)
    assert market.available(held.b) == 60
    assert market.refused("dealer", held.execute(1)) == "holding.hold_unknown"
    assert market.refused("dealer", ReleaseHold(held.dealer, held.hold)) == "holding.hold_unknown"


def test_executing_part_of_a_hold_keeps_the_remainder_held(market: Market, held: Held) -> None:
    receipt = market.do("dealer", held.execute(25))
    assert receipt.events[1:] == (HoldExecuted(held.hold, 25, 35),)
    assert market.holding(held.a) == Holding(40, 35, 0, 0, 0, 0, 0)
    assert market.refused("dealer", held.execute(36)) == "holding.hold_exceeded"
    market.do("dealer", held.execute(35))
    assert (market.available(held.a), market.available(held.b)) == (40, 60)


def test_a_final_execution_releases_the_remainder(market: Market, held: Held) -> None:
    receipt = market.do("dealer", held.execute(25, final=True))
    assert receipt.events[1:] == (
        HoldExecuted(held.hold, 25, 35),
        HoldEnded(held.hold, HoldEnd.EXECUTED, 35),
    )
    assert (market.holding(held.a), market.available(held.b)) == (Holding(75, 0, 0, 0, 0, 0, 0), 25)


def test_a_module_executes_without_ending_unless_it_says_so(market: Market, held: Held) -> None:
    market.call(lambda context: market.keeper.execute_hold(context, held.hold, held.b, 1, b""))
    assert market.holding(held.a).held == 59


def test_more_than_was_held_is_not_executed(market: Market, held: Held) -> None:
    assert market.refused("dealer", held.execute(61)) == "holding.hold_exceeded"


def test_only_the_executor_executes(market: Market, held: Held) -> None:
    own = ExecuteHold(held.bank, held.hold, market.cash, held.b, 1, False, b"")
    assert market.refused("bank", own) == "holding.not_executor"


def test_a_hold_is_executed_in_its_own_instrument(market: Market, held: Held) -> None:
    other = market.create("bank", "OTHER")
    message = ExecuteHold(held.dealer, held.hold, other, held.b, 1, False, b"")
    assert market.refused("dealer", message) == "holding.instrument_mismatch"


def test_a_hold_is_executed_into_an_open_account_that_takes_the_credit(market: Market, held: Held) -> None:
    shut = market.open("court", credit=CreditControl.OWNER)
    closed = market.open("dealer")
    market.do("dealer", CloseAccount(held.dealer, closed))
    for receiver, code in (
        (shut, "holding.credit_not_controlled"),
        (closed, "holding.account_closed"),
        (held.a, "holding.same_account"),
        (b"\xee" * 16, "holding.account_unknown"),
    ):
        message = ExecuteHold(held.dealer, held.hold, market.cash, receiver, 1, False, b"")
        assert market.refused("dealer", message) == code
    for receiver in (closed, b"\xee" * 16):
        code = market.call_refused(
            lambda context, to=receiver: market.keeper.execute_hold(context, held.hold, to, 1, b"")  # type: ignore[misc]
        )
        assert code in ("holding.account_closed", "holding.account_unknown")


def test_the_executor_gives_a_hold_up_and_the_holder_cannot(market: Market, held: Held) -> None:
    assert market.refused("bank", ReleaseHold(held.bank, held.hold)) == "holding.not_executor"
    receipt = market.do("dealer", ReleaseHold(held.dealer, held.hold))
    assert receipt.events == (HoldEnded(held.hold, HoldEnd.RELEASED, 60),)
    assert market.available(held.a) == 100
    assert market.refused("dealer", ReleaseHold(held.dealer, held.hold)) == "holding.hold_unknown"


def test_a_hold_is_executable_until_just_before_its_expiry(market: Market, held: Held) -> None:
    held.pass_to_expiry(before_ms=2_001)
    market.do("dealer", held.execute(1))  # one second later
    held.pass_to_expiry(before_ms=1)
    assert market.holding(held.a).held == 59


def test_a_hold_expires_by_itself_at_its_time(market: Market, held: Held) -> None:
    held.pass_to_expiry(before_ms=0)
    assert market.holding(held.a) == Holding(100, 0, 0, 0, 0, 0, 0)
    assert market.refused("dealer", held.execute(1)) == "holding.hold_unknown"


def test_what_remains_of_a_partly_executed_hold_expires(market: Market, held: Held) -> None:
    market.do("dealer", held.execute(20))
    held.pass_to_expiry(before_ms=0)
    assert (market.available(held.a), market.available(held.b)) == (80, 20)


def test_a_hold_that_ended_leaves_nothing_due(market: Market, held: Held) -> None:
    market.do("dealer", ReleaseHold(held.dealer, held.hold))
    market.do("bank", held.message(30, held.expires_ms + 50_000))
    held.pass_to_expiry(before_ms=0)
    assert market.holding(held.a).held == 30


def test_an_expired_hold_that_the_budget_has_not_reached_is_not_executed_and_anyone_may_release_it() -> None:
    market = market_with_budget_of_one()
    first, second = b"\x01" * 16, b"\x02" * 16
    a, b = market.funded("bank", 100), market.open("dealer")
    bank, dealer, expires = market.ids["bank"], market.ids["dealer"], market.ledger.time_ms + 5_000
    for salt in (first, second):
        market.do("bank", Hold(bank, a, market.cash, 10, dealer, expires, b"", salt))
    late = max(hold_id(bank, first), hold_id(bank, second))  # the queue runs in the order of keys
    blocked = ExecuteHold(dealer, late, market.cash, b, 1, False, b"")
    release = ReleaseHold(market.ids["court"], late)
    market.ledger.time_ms = expires - 1
    wires = [market.wire("dealer", blocked), market.wire("court", release)]
    answers = market.ledger.run_block(wires, after_ms=1)
    assert [answer.failure and answer.failure.code for answer in answers] == ["holding.hold_expired", None]
    ended = events_of(market.ledger.receipt(answers[1]), HoldEnded)
    assert ended == [HoldEnded(late, HoldEnd.EXPIRED, 10)]
    assert market.available(a) == 100
    assert market.ledger.check_invariants() == []


def market_with_budget_of_one() -> Market:
    """A market that runs one due item per block."""
    market = Market(kernel={"due_budget": 1})
    market.create_cash()
    return market


def test_a_module_may_hold_without_expiry_for_an_executor_that_is_no_party(
    market: Market, held: Held
) -> None:
    keeper, identity = market.keeper, b"\x09" * 32
    market.call(
        lambda context: keeper.hold(
            context, identity, held.a, market.cash, 40, b"settlement\0\0\0\0\0\0", 0, b""
        )
    )
    held.pass_to_expiry(before_ms=-1_000_000)
    assert market.holding(held.a) == Holding(60, 40, 0, 0, 0, 0, 0)
    assert market.refused("court", ReleaseHold(market.ids["court"], identity)) == "holding.not_executor"
    receipt = market.call(lambda context: keeper.release_hold(context, identity))
    assert receipt.events == (HoldEnded(identity, HoldEnd.RELEASED, 40),)
    assert (
        market.call_refused(lambda context: keeper.release_hold(context, identity)) == "holding.hold_unknown"
    )


def test_a_hold_without_expiry_is_executed_at_any_time(market: Market, held: Held) -> None:
    keeper, identity = market.keeper, b"\x09" * 32
    market.call(lambda context: keeper.hold(context, identity, held.a, market.cash, 1, held.dealer, 0, b""))
    held.pass_to_expiry(before_ms=-1_000_000)
    market.call(lambda context: keeper.execute_hold(context, identity, held.b, 1, b""))
    assert market.available(held.b) == 1


def test_an_account_with_a_hold_does_not_close(market: Market) -> None:
    held = Held(market)
    market.do("bank", market.pay("bank", held.a, held.b, 40))
    assert market.refused("bank", CloseAccount(held.bank, held.a)) == "holding.account_in_use"


def test_the_due_item_of_a_hold_that_is_gone_does_nothing(market: Market, held: Held) -> None:
    market.call(lambda context: market.keeper.encumbrances.expire_hold(context, b"\x09" * 32))
    assert market.holding(held.a).held == 60


def test_amount_bands_see_holds_and_their_execution(market: Market, held: Held) -> None:
    assert held.message(7).amount_at_risk() == (market.cash, 7)
    assert held.execute(7).amount_at_risk() == (market.cash, 7)
    assert ReleaseHold(held.dealer, held.hold).amount_at_risk() is None
