"""Holding a leg and deciding about it, as one ledger sees it."""

from typing import Any

import pytest

from modules.leg.desk import CAP, SALT, TERMS, Market, Spoil, attempt_of
from traco.kernel.batch_hold import EDGE, Movement
from traco.modules.holding.events import Issued, Moved, Redeemed, ReservationReleased, Reserved
from traco.modules.holding.messages import (
    Attach,
    CloseAccount,
    CloseInstrument,
    CreditControl,
    DebitControl,
    Redeem,
)
from traco.modules.holding.state import PENDING, Holding
from traco.modules.leg.events import LegDecided, LegHeld
from traco.modules.leg.messages import HoldLeg, LegContent, leg_commitment
from traco.modules.leg.queries import LegQuery, LegRow, LegsQuery
from traco.modules.leg.state import OpenLeg


@pytest.fixture
def market() -> Market:
    return Market()


def within(market: Market, amount: int = 300) -> LegContent:
    return LegContent((market.move(amount),))


def test_a_leg_sets_value_aside_and_says_so(market: Market) -> None:
    receipt = market.do("seller", market.enter("seller", within(market)))
    assert receipt.events == (
        Reserved(market.bond, market.accounts["seller"], market.accounts["buyer"], 300, b"leg"),
        LegHeld(attempt_of(1), TERMS),
    )
    assert market.held("seller") == Holding(700, 0, 0, 0, 300, 0, 0)
    assert market.held("buyer") == Holding(0, 0, 0, 0, 0, 300, 0)


def test_a_commit_moves_and_an_abort_gives_back(market: Market) -> None:
    market.do("seller", market.enter("seller", within(market), 1))
    market.do("seller", market.enter("seller", within(market), 2))
    committed = market.do("court", market.decide(True, 1))
    aborted = market.do("court", market.decide(False, 2))
    assert [type(event) for event in committed.events] == [Moved, LegDecided]
    assert [type(event) for event in aborted.events] == [ReservationReleased, LegDecided]
    assert (market.held("seller").owned, market.held("buyer").owned) == (700, 300)
    assert market.ledger.check_invariants() == []


def test_a_leg_is_refused_where_none_enters(market: Market) -> None:
    message = HoldLeg((market.ids["seller"],), TERMS, SALT, within(market))
    assert market.refused("seller", message) == "leg.outside"
    market.do("seller", market.enter("seller", within(market)))
    assert market.refused("seller", message) == "leg.outside"


def test_what_the_terms_do_not_speak_of_is_refused(market: Market) -> None:
    content = within(market)
    assert market.refused("seller", market.enter("seller", content, terms=bytes(32))) == "leg.terms_differ"
    for commitment in (leg_commitment(bytes(32), content), leg_commitment(SALT, within(market, 299))):
        message = market.enter("seller", content, commitment=commitment)
        assert market.refused("seller", message) == "leg.commitment_differs"


def test_every_sender_and_every_receiver_that_controls_credits_must_sign(market: Market) -> None:
    closed = market.account("buyer", credit=CreditControl.OWNER)
    content = LegContent((Movement(market.bond, market.accounts["seller"], closed, 1, b""),))
    assert market.refused("buyer", market.enter("buyer", content)) == "leg.not_in_control"
    assert market.refused("seller", market.enter("seller", content)) == "leg.not_in_control"
    market.do("seller buyer", market.enter("seller buyer", content))


def test_a_servicer_that_controls_debits_signs_for_its_client(market: Market) -> None:
    serviced = market.account("seller", servicer="issuer", debit=DebitControl.SERVICER)
    market.accounts["serviced"] = serviced
    market.do("issuer", market.issue("serviced", 5))
    content = LegContent((market.move(5, "serviced"),))
    assert market.refused("seller", market.enter("seller", content)) == "leg.not_in_control"
    market.do("issuer", market.enter("issuer", content))


def test_parties_stand_in_order_and_once(market: Market) -> None:
    ids = sorted((market.ids["seller"], market.ids["buyer"]))
    for parties in ((ids[1], ids[0]), (market.ids["seller"],) * 2):
        leg = HoldLeg(parties, TERMS, SALT, within(market))
        message = market.enter("seller", within(market), leg=leg)
        names = "seller buyer" if len(dict.fromkeys(parties)) == 2 else "seller"
        assert market.refused(names, message) == "leg.parties_wrong"


def test_a_leg_moves_something(market: Market) -> None:
    assert market.refused("seller", market.enter("seller", LegContent())) == "leg.nothing_moved"


def test_what_lies_beyond_the_ledger_is_no_account(market: Market) -> None:
    seller = market.accounts["seller"]
    for sender, receiver in ((EDGE, seller), (seller, EDGE), (EDGE, EDGE)):
        content = LegContent((Movement(market.bond, sender, receiver, 1, b""),))
        assert market.refused("seller", market.enter("seller", content)) == "holding.account_unknown"


def test_an_attempt_holds_once(market: Market) -> None:
    market.do("seller", market.enter("seller", within(market)))
    assert market.refused("seller", market.enter("seller", within(market))) == "batch_hold.exists"


def test_a_decision_ends_a_leg_once(market: Market) -> None:
    market.do("seller", market.enter("seller", within(market)))
    market.do("court", market.decide(True))
    assert market.refused("court", market.decide(True)) == "leg.not_held"
    receipt = market.do("court", market.decide(False))
    assert receipt.events == (LegDecided(attempt_of(1), committed=False, held=False),)
    assert market.held("buyer").available == 300


def test_everything_or_nothing_is_held(market: Market) -> None:
    content = LegContent((market.move(900), market.move(101)))
    assert market.refused("seller", market.enter("seller", content)) == "holding.insufficient"
    assert market.held("seller") == Holding(1_000, 0, 0, 0, 0, 0, 0)


def test_what_goes_out_stands_in_the_bucket_and_is_redeemed_at_commit(market: Market) -> None:
    held = market.do("seller", market.enter("seller", LegContent((), (market.out(300),)), edge=-300))
    assert held.events[0] == Reserved(market.bond, market.accounts["seller"], EDGE, 300, b"out")
    assert (market.held("seller").bucket, market.supply().outstanding) == (300, 1_000)
    receipt = market.do("court", market.decide(True))
    assert [type(event) for event in receipt.events] == [ReservationReleased, Redeemed, LegDecided]
    assert (market.held("seller").owned, market.supply().outstanding) == (700, 700)
    assert market.ledger.check_invariants() == []


def test_what_was_to_go_out_is_available_again_after_an_abort(market: Market) -> None:
    market.do("seller", market.enter("seller", LegContent((), (market.out(300),)), edge=-300))
    market.do("court", market.decide(False))
    assert market.held("seller") == Holding(1_000, 0, 0, 0, 0, 0, 0)
    assert market.supply().outstanding == 1_000
    assert market.ledger.check_invariants() == []


def test_what_comes_in_is_expected_and_issued_at_commit(market: Market) -> None:
    market.do("buyer", market.enter("buyer", LegContent((), (), (market.into(300),)), edge=300))
    assert market.held("buyer") == Holding(0, 0, 0, 0, 0, 300, 0)
    assert market.supply().outstanding == 1_000
    receipt = market.do("court", market.decide(True))
    assert [type(event) for event in receipt.events] == [ReservationReleased, Issued, LegDecided]
    assert (market.held("buyer").available, market.supply().outstanding) == (300, 1_300)
    assert PENDING.get(market.state, market.bond) is None
    assert market.ledger.check_invariants() == []


def test_nothing_comes_in_after_an_abort(market: Market) -> None:
    market.do("buyer", market.enter("buyer", LegContent((), (), (market.into(300),)), edge=300))
    market.do("court", market.decide(False))
    assert market.held("buyer") == Holding(0, 0, 0, 0, 0, 0, 0)
    assert market.supply().outstanding == 1_000
    assert PENDING.get(market.state, market.bond) is None
    assert market.ledger.check_invariants() == []


def test_what_is_to_come_in_has_its_room_under_the_cap(market: Market) -> None:
    room = CAP - 1_000
    content = LegContent((), (), (market.into(room - 1), market.into(2)))
    assert market.refused("buyer", market.enter("buyer", content, edge=room + 1)) == "holding.supply_exceeded"
    market.do("buyer", market.enter("buyer", LegContent((), (), (market.into(room),)), edge=room))
    assert market.refused("issuer", market.issue("seller", 1)) == "holding.supply_exceeded"
    market.do("court", market.decide(True))
    assert market.supply().outstanding == CAP


def test_an_instrument_does_not_close_before_what_is_to_come_in_is_decided(market: Market) -> None:
    seller, issuer = market.accounts["seller"], market.ids["issuer"]
    market.do("buyer", market.enter("buyer", LegContent((), (), (market.into(1),)), edge=1))
    market.do("issuer seller", Redeem(issuer, market.ids["seller"], market.bond, seller, 1_000, b""))
    assert market.refused("issuer", CloseInstrument(issuer, market.bond)) == "holding.instrument_in_use"
    account = CloseAccount(market.ids["buyer"], market.accounts["buyer"])
    assert market.refused("buyer", account) == "holding.account_in_use"
    market.do("court", market.decide(False))
    market.do("buyer", account)
    market.do("issuer", CloseInstrument(issuer, market.bond))


def test_an_order_bites_on_what_comes_in_and_on_what_does_not_go_out(market: Market) -> None:
    content = LegContent((), (market.out(300),), (market.into(50),))
    market.do("seller", market.enter("seller", content, 1, edge=-250))
    market.do("seller", market.enter("seller", content, 2, edge=-250))
    for number, name in enumerate(("seller", "buyer")):
        order = Attach(
            market.ids["court"], market.accounts[name], market.bond, 5_000, bytes(32), bytes([number]) * 16
        )
        market.do("court", order)
    market.do("court", market.decide(True, 1))
    market.do("court", market.decide(False, 2))
    assert (market.held("seller").attached, market.held("buyer").attached) == (700, 50)
    assert (market.held("seller").available, market.held("buyer").available) == (0, 0)
    assert market.ledger.check_invariants() == []


def test_the_edge_is_what_the_terms_declare_or_an_operator_agrees(market: Market) -> None:
    content = LegContent((), (market.out(300),), (market.into(100),))
    assert market.refused("seller", market.enter("seller", content)) == "leg.operator_missing"
    for edge in (-300, -199, 200):
        assert market.refused("seller", market.enter("seller", content, edge=edge)) == "leg.edge_differs"
    market.do("seller", market.enter("seller", content, 1, edge=-200))
    market.do("issuer seller", market.enter("issuer seller", content, 2))


def test_a_declared_edge_must_be_crossed(market: Market) -> None:
    assert market.refused("seller", market.enter("seller", within(market), edge=1)) == "leg.edge_differs"


def test_an_instrument_with_a_transfer_check_crosses_with_its_operator_only() -> None:
    market = Market({"test.never": lambda *_: "test.never"}, "test.never")
    content = LegContent((), (market.out(300),))
    assert market.refused("seller", market.enter("seller", content, edge=-300)) == "leg.operator_missing"
    market.do("issuer seller", market.enter("issuer seller", content, edge=-300))


def test_queries_show_undecided_legs_only(market: Market) -> None:
    market.do("seller", market.enter("seller", within(market)))
    since = market.ledger.time_ms
    row = LegRow(
        attempt_of(1), OpenLeg(TERMS, leg_commitment(SALT, within(market)), since), (market.move(300),)
    )
    assert market.ledger.query("leg.get", LegQuery(attempt_of(1))) == row
    assert market.ledger.query("leg.list", LegsQuery()) == [row]
    assert market.ledger.query("leg.list", LegsQuery(1, attempt_of(1))) == []
    market.do("court", market.decide(True))
    assert market.ledger.query("leg.get", LegQuery(attempt_of(1))) is None
    assert market.ledger.query("leg.list", LegsQuery()) == []


def test_a_hold_that_ends_behind_its_leg_is_a_fault(market: Market) -> None:
    market.do("seller", market.enter("seller", within(market)))
    assert market.refused("court", Spoil(market.ids["court"], attempt_of(1))) == "kernel.fault"
    assert market.held("seller").bucket == 300
    assert len(market.ledger.alarms) == 1


def test_the_invariant_names_a_leg_without_its_hold(market: Market) -> None:
    market.do("seller", market.enter("seller", within(market)))
    assert market.ledger.check_invariants() == []
    market.leg.keeper._end(
        _context(market), attempt_of(1), committed=False, held=True
    )  # only the record, in an overlay
    assert market.ledger.check_invariants() == [f"leg.held at {attempt_of(1).hex()}"]
    market.state.reset(committed=False)


def _context(market: Market) -> Any:
    class Bare:
        state = market.state

        def emit(self, event: object) -> None:
            """Nobody listens."""

    return Bare()
