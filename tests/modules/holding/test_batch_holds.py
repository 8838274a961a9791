"""The buckets of batch holds: everything is checked when a hold is made, nothing when it is decided."""

import pytest

from modules.holding.desk import Market
from traco.modules.holding.events import Cause, Moved, ReservationReleased, Reserved
from traco.modules.holding.messages import (
    Attach,
    CloseAccount,
    CloseInstrument,
    CreditControl,
    LiftAttachment,
    attachment_id,
)
from traco.modules.holding.state import Holding

SALT = b"s" * 16


class Ends:
    """The bank's account with 100, the dealer's with nothing."""

    def __init__(self, market: Market) -> None:
        self.a, self.b = market.funded("bank", 100), market.open("dealer")


@pytest.fixture
def ends(market: Market) -> Ends:
    return Ends(market)


def test_making_moves_the_amount_into_the_bucket_and_reserves_the_credit(market: Market, ends: Ends) -> None:
    receipt = market.do("bank", market.batch((ends.a, ends.b, 60)))
    assert receipt.events == (Reserved(market.cash, ends.a, ends.b, 60, b"batch"),)
    assert market.holding(ends.a) == Holding(40, 0, 0, 0, 60, 0, 0)
    assert market.holding(ends.b) == Holding(0, 0, 0, 0, 0, 60, 0)
    assert (market.holding(ends.a).owned, market.holding(ends.a).encumbered) == (100, 60)
    assert market.holding(ends.b).owned == 0


def test_executing_credits_the_receiver(market: Market, ends: Ends) -> None:
    market.do("bank", market.batch((ends.a, ends.b, 60)))
    receipt = market.do("bank", market.decide(commit=True))
    assert receipt.events == (Moved(market.cash, ends.a, ends.b, 60, b"batch", Cause.BATCH),)
    assert market.holding(ends.a) == Holding(40, 0, 0, 0, 0, 0, 0)
    assert market.holding(ends.b) == Holding(60, 0, 0, 0, 0, 0, 0)


def test_releasing_gives_the_sender_back(market: Market, ends: Ends) -> None:
    market.do("bank", market.batch((ends.a, ends.b, 60)))
    receipt = market.do("bank", market.decide(commit=False))
    assert receipt.events == (ReservationReleased(market.cash, ends.a, ends.b, 60, b"batch"),)
    assert market.holding(ends.a) == Holding(100, 0, 0, 0, 0, 0, 0)
    assert market.keeper.instruments_of(market.state, ends.b, 10) == []


@pytest.mark.parametrize("commit", [True, False])
def test_a_batch_hold_ends_once(market: Market, ends: Ends, commit: bool) -> None:
    market.do("bank", market.batch((ends.a, ends.b, 60)), market.decide(commit))
    for again in (True, False):
        assert market.refused("bank", market.decide(again)) == "batch_hold.ended"


def test_a_batch_is_reserved_whole_or_not_at_all(market: Market, ends: Ends) -> None:
    c = market.open("court")
    batch = market.batch((ends.a, ends.b, 60), (ends.a, c, 41))
    assert market.refused("bank", batch) == "holding.insufficient"
    assert market.holding(ends.a) == Holding(100, 0, 0, 0, 0, 0, 0)
    market.do("bank", market.batch((ends.a, ends.b, 60), (ends.a, c, 40)), market.decide(commit=True))
    assert [market.available(account) for account in (ends.a, ends.b, c)] == [0, 60, 40]


def test_a_reserved_credit_cannot_be_spent(market: Market, ends: Ends) -> None:
    market.do("bank", market.batch((ends.a, ends.b, 60)))
    assert market.refused("dealer", market.pay("dealer", ends.b, ends.a, 1)) == "holding.insufficient"


def test_making_refuses_what_a_transfer_would_be_refused_for(market: Market, ends: Ends) -> None:
    closed, nowhere = market.open("dealer"), b"\xee" * 16
    market.do("dealer", CloseAccount(market.ids["dealer"], closed))
    for sender, receiver, code in (
        (ends.a, closed, "holding.account_closed"),
        (closed, ends.a, "holding.account_closed"),
        (ends.a, nowhere, "holding.account_unknown"),
        (ends.a, ends.a, "holding.same_account"),
    ):
        assert market.refused("bank", market.batch((sender, receiver, 1))) == code
    assert market.refused("bank", market.batch((ends.a, ends.b, 101))) == "holding.insufficient"


def test_neither_account_nor_the_instrument_closes_before_the_end(market: Market, ends: Ends) -> None:
    market.do("bank", market.batch((ends.a, ends.b, 100)))
    for name, account in (("bank", ends.a), ("dealer", ends.b)):
        close = CloseAccount(market.ids[name], account)
        assert market.refused(name, close) == "holding.account_in_use"
    close_instrument = CloseInstrument(market.ids["central"], market.cash)
    assert market.refused("central", close_instrument) == "holding.instrument_in_use"
    market.do("bank", market.decide(commit=True))
    market.do("bank", CloseAccount(market.ids["bank"], ends.a))


def test_the_holding_account_cannot_close_until_its_reserved_credit_is_released(
    market: Market, ends: Ends
) -> None:
    market.do("bank", market.batch((ends.a, ends.b, 100)), market.decide(commit=False))
    market.do("dealer", CloseAccount(market.ids["dealer"], ends.b))


def test_an_attachment_of_the_sender_bites_on_what_is_released_only(market: Market, ends: Ends) -> None:
    court = market.ids["court"]
    market.do("bank", market.batch((ends.a, ends.b, 60)))
    market.do("court", Attach(court, ends.a, market.cash, 70, b"o" * 32, SALT))
    assert market.holding(ends.a) == Holding(0, 0, 0, 40, 60, 0, 30)
    market.do("bank", market.decide(commit=False))
    assert market.holding(ends.a) == Holding(30, 0, 0, 70, 0, 0, 0)


def test_an_attachment_of_the_sender_does_not_stop_the_execution(market: Market, ends: Ends) -> None:
    court = market.ids["court"]
    market.do("bank", market.batch((ends.a, ends.b, 60)))
    market.do("court", Attach(court, ends.a, market.cash, 70, b"o" * 32, SALT))
    market.do("bank", market.decide(commit=True))
    assert market.available(ends.b) == 60
    assert market.holding(ends.a) == Holding(0, 0, 0, 40, 0, 0, 30)


def test_an_attachment_of_the_receiver_bites_on_the_credit(market: Market, ends: Ends) -> None:
    court = market.ids["court"]
    market.do("bank", market.batch((ends.a, ends.b, 60)))
    market.do("court", Attach(court, ends.b, market.cash, 25, b"o" * 32, SALT))
    assert market.holding(ends.b) == Holding(0, 0, 0, 0, 0, 60, 25)
    market.do("bank", market.decide(commit=True))
    assert market.holding(ends.b) == Holding(35, 0, 0, 25, 0, 0, 0)
    market.do("court", LiftAttachment(court, attachment_id(court, SALT)))
    assert market.available(ends.b) == 60


def test_two_batch_holds_of_one_holding_end_separately(market: Market, ends: Ends) -> None:
    market.do("bank", market.batch((ends.a, ends.b, 60), number=1))
    market.do("bank", market.batch((ends.a, ends.b, 40), number=2))
    assert market.refused("bank", market.batch((ends.a, ends.b, 1), number=3)) == "holding.insufficient"
    market.do("bank", market.decide(commit=False, number=1))
    market.do("bank", market.decide(commit=True, number=2))
    assert (market.available(ends.a), market.available(ends.b)) == (60, 40)


def test_holders_are_those_that_own_not_those_that_are_to_receive(market: Market, ends: Ends) -> None:
    market.do("bank", market.batch((ends.a, ends.b, 100)))
    found = market.keeper.holders(market.state, market.cash, 10)
    assert found == [(ends.a, Holding(0, 0, 0, 0, 100, 0, 0))]


def test_a_batch_hold_into_an_account_whose_credits_are_controlled_is_the_settlements_to_approve(
    market: Market, ends: Ends
) -> None:
    shut = market.open("dealer", credit=CreditControl.OWNER)
    market.do("bank", market.batch((ends.a, shut, 5)), market.decide(commit=True))
    assert market.available(shut) == 5
