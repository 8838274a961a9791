"""Pledges: made by who controls the account, executed and released by the pledgee, without expiry."""

import pytest

from modules.holding.desk import Market
from traco.modules.holding.events import Cause, Moved, Pledged, PledgeReduced
from traco.modules.holding.messages import (
    CloseAccount,
    CreditControl,
    ExecutePledge,
    Pledge,
    ReleasePledge,
    pledge_id,
)
from traco.modules.holding.state import Holding

SALT = b"s" * 16


class Made:
    """60 of the bank's 100 pledged to the dealer."""

    def __init__(self, market: Market) -> None:
        self.market, self.cash = market, market.cash
        self.a, self.b = market.funded("bank", 100), market.open("dealer")
        self.bank, self.dealer = market.ids["bank"], market.ids["dealer"]
        self.pledge = pledge_id(self.bank, SALT)
        self.receipt = market.do("bank", self.message(60))

    def message(self, amount: int, salt: bytes = SALT) -> Pledge:
        return Pledge(self.bank, self.a, self.cash, amount, self.dealer, b"loan", salt)

    def execute(self, amount: int) -> ExecutePledge:
        return ExecutePledge(self.dealer, self.pledge, self.cash, self.b, amount, b"default")

    def release(self, amount: int) -> ReleasePledge:
        return ReleasePledge(self.dealer, self.pledge, self.cash, amount)


@pytest.fixture
def made(market: Market) -> Made:
    return Made(market)


def test_a_pledge_sets_part_of_a_holding_aside_and_says_so(market: Market, made: Made) -> None:
    assert market.holding(made.a) == Holding(40, 0, 60, 0, 0, 0, 0)
    assert made.receipt.events == (Pledged(made.pledge, made.a, made.cash, 60, made.dealer, b"loan"),)


def test_what_is_pledged_is_not_available(market: Market, made: Made) -> None:
    assert market.refused("bank", market.pay("bank", made.a, made.b, 41)) == "holding.insufficient"
    assert market.refused("bank", made.message(41, b"t" * 16)) == "holding.insufficient"
    market.do("bank", made.message(40, b"t" * 16))


def test_an_id_pledges_once_while_open(market: Market, made: Made) -> None:
    assert market.refused("bank", made.message(1)) == "holding.pledge_exists"


def test_only_who_controls_debits_pledges(market: Market, made: Made) -> None:
    message = Pledge(made.dealer, made.a, made.cash, 1, made.dealer, b"", SALT)
    assert market.refused("dealer", message) == "holding.debit_not_controlled"


def test_a_pledge_is_to_an_active_party_on_an_open_account_and_a_known_instrument(
    market: Market, made: Made
) -> None:
    nowhere, salt = b"\xee" * 16, b"t" * 16
    for account, instrument, pledgee, code in (
        (made.a, made.cash, nowhere, "party.not_found"),
        (made.a, nowhere, made.dealer, "holding.instrument_unknown"),
        (nowhere, made.cash, made.dealer, "holding.account_unknown"),
    ):
        message = Pledge(made.bank, account, instrument, 1, pledgee, b"", salt)
        assert market.refused("bank", message) == code


def test_the_pledgee_executes_in_part_and_the_rest_stays_pledged(market: Market, made: Made) -> None:
    receipt = market.do("dealer", made.execute(25))
    assert receipt.events == (
        Moved(made.cash, made.a, made.b, 25, b"default", Cause.PLEDGE),
        PledgeReduced(made.pledge, 25, 35, executed=True),
    )
    assert (market.holding(made.a), market.available(made.b)) == (Holding(40, 0, 35, 0, 0, 0, 0), 25)
    assert market.refused("dealer", made.execute(36)) == "holding.pledge_exceeded"
    market.do("dealer", made.execute(35))
    assert market.refused("dealer", made.execute(1)) == "holding.pledge_unknown"


def test_the_pledgee_releases_in_part_and_the_rest_stays_pledged(market: Market, made: Made) -> None:
    receipt = market.do("dealer", made.release(25))
    assert receipt.events == (PledgeReduced(made.pledge, 25, 35, executed=False),)
    assert market.holding(made.a) == Holding(65, 0, 35, 0, 0, 0, 0)
    assert market.refused("dealer", made.release(36)) == "holding.pledge_exceeded"
    market.do("dealer", made.release(35))
    assert market.holding(made.a) == Holding(100, 0, 0, 0, 0, 0, 0)
    assert market.refused("dealer", made.release(1)) == "holding.pledge_unknown"


def test_nobody_but_the_pledgee_executes_or_releases(market: Market, made: Made) -> None:
    execute = ExecutePledge(made.bank, made.pledge, made.cash, made.b, 1, b"")
    assert market.refused("bank", execute) == "holding.not_pledgee"
    release = ReleasePledge(made.bank, made.pledge, made.cash, 1)
    assert market.refused("bank", release) == "holding.not_pledgee"


def test_a_pledge_is_executed_and_released_in_its_own_instrument(market: Market, made: Made) -> None:
    other = market.create("bank", "OTHER")
    execute = ExecutePledge(made.dealer, made.pledge, other, made.b, 1, b"")
    assert market.refused("dealer", execute) == "holding.instrument_mismatch"
    release = ReleasePledge(made.dealer, made.pledge, other, 1)
    assert market.refused("dealer", release) == "holding.instrument_mismatch"


def test_a_pledge_is_executed_into_an_open_account_that_takes_the_credit(market: Market, made: Made) -> None:
    shut, closed = market.open("court", credit=CreditControl.OWNER), market.open("dealer")
    market.do("dealer", CloseAccount(made.dealer, closed))
    for receiver, code in (
        (shut, "holding.credit_not_controlled"),
        (closed, "holding.account_closed"),
        (made.a, "holding.same_account"),
    ):
        message = ExecutePledge(made.dealer, made.pledge, made.cash, receiver, 1, b"")
        assert market.refused("dealer", message) == code
    encumbrances = market.keeper.encumbrances
    code = market.call_refused(
        lambda context: encumbrances.execute_pledge(context, made.pledge, closed, 1, b"")
    )
    assert code == "holding.account_closed"


def test_a_pledge_does_not_expire(market: Market, made: Made) -> None:
    market.ledger.run_block(after_ms=10**12)
    assert market.holding(made.a).pledged == 60


def test_amount_bands_see_pledges(market: Market, made: Made) -> None:
    for message in (made.message(7), made.execute(7), made.release(7)):
        assert message.amount_at_risk() == (made.cash, 7)
