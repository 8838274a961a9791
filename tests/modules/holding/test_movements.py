"""Issue, redeem and transfer: what they change, and each reason to refuse them."""

import msgspec
import pytest

from modules.holding.desk import Market, events_of
from traco.kernel.codec import MAX_AMOUNT
from traco.modules.holding.events import Cause, Issued, Moved, Redeemed
from traco.modules.holding.messages import (
    CloseAccount,
    CreditControl,
    DebitControl,
    Issue,
    Redeem,
    Transfer,
)
from traco.modules.holding.state import Holding, Supply

NOWHERE = b"\xee" * 16


def test_figure_8_three_transactions_that_touch_the_same_accounts_all_succeed_in_one_block(
    market: Market,
) -> None:
    """JPX report, Figure 8: 5000 to A, 2000 from B, 3000 from A to C, each starting with 10000."""
    a, b, c = (market.funded(name, 10_000) for name in ("bank", "dealer", "court"))
    central, dealer = market.ids["central"], market.ids["dealer"]
    deposit = market.wire("central", Issue(central, market.cash, a, 5_000, b""))
    withdraw = market.wire("central dealer", Redeem(central, dealer, market.cash, b, 2_000, b""))
    pay = market.wire("bank", market.pay("bank", a, c, 3_000))
    answers = market.ledger.run_block([deposit, withdraw, pay])
    assert [answer.failure for answer in answers] == [None, None, None]
    assert [market.available(account) for account in (a, b, c)] == [12_000, 8_000, 13_000]


def test_a_transfer_moves_the_amount_and_says_so(market: Market) -> None:
    a, b = market.funded("bank", 100), market.funded("dealer", 5)
    receipt = market.do("bank", Transfer(market.ids["bank"], market.cash, a, b, 40, b"invoice 7"))
    assert (market.available(a), market.available(b)) == (60, 45)
    assert receipt.events == (Moved(market.cash, a, b, 40, b"invoice 7", Cause.TRANSFER),)


def test_all_of_a_holding_can_be_transferred_and_leaves_no_row(market: Market) -> None:
    a, b = market.funded("bank", 100), market.open("dealer")
    market.do("bank", market.pay("bank", a, b, 100))
    assert market.keeper.holders(market.state, market.cash, 10) == [(b, Holding(100, 0, 0, 0, 0, 0, 0))]
    found = market.keeper.account(market.state, a)
    assert found is not None
    assert (found.rows, found.instruments) == (0, ())


def test_one_more_than_available_is_insufficient(market: Market) -> None:
    a, b = market.funded("bank", 100), market.open("dealer")
    assert market.refused("bank", market.pay("bank", a, b, 101)) == "holding.insufficient"
    assert market.refused("dealer", market.pay("dealer", b, a, 1)) == "holding.insufficient"
    assert market.available(a) == 100


def test_a_foreign_account_cannot_be_debited(market: Market) -> None:
    a, b = market.funded("bank", 100), market.open("dealer")
    assert market.refused("dealer", market.pay("dealer", a, b, 1)) == "holding.debit_not_controlled"


def test_the_servicer_debits_an_account_that_says_so_and_the_owner_does_not(market: Market) -> None:
    a = market.funded("dealer", 100, servicer="bank", debit=DebitControl.SERVICER)
    b = market.open("dealer")
    assert market.refused("dealer", market.pay("dealer", a, b, 1)) == "holding.debit_not_controlled"
    market.do("bank", market.pay("bank", a, b, 1))
    assert market.available(b) == 1


def test_the_servicer_does_not_debit_an_account_that_its_owner_controls(market: Market) -> None:
    a, b = market.funded("dealer", 100, servicer="bank"), market.open("bank")
    assert market.refused("bank", market.pay("bank", a, b, 1)) == "holding.debit_not_controlled"


@pytest.mark.parametrize(
    ("control", "allowed"), [(CreditControl.OWNER, "dealer"), (CreditControl.SERVICER, "bank")]
)
def test_a_credit_needs_the_party_that_controls_credits(
    market: Market, control: CreditControl, allowed: str
) -> None:
    closed = market.open("dealer", servicer="bank", credit=control)
    sources = {name: market.funded(name, 10) for name in ("bank", "dealer", "court")}
    for name, source in sources.items():
        message = market.pay(name, source, closed, 1)
        if name == allowed:
            market.do(name, message)
        else:
            assert market.refused(name, message) == "holding.credit_not_controlled"
    assert market.available(closed) == 1


def test_a_transfer_to_the_same_account_is_refused(market: Market) -> None:
    a = market.funded("bank", 100)
    assert market.refused("bank", market.pay("bank", a, a, 1)) == "holding.same_account"


def test_unknown_accounts_and_instruments_are_refused(market: Market) -> None:
    a, b, bank = market.funded("bank", 100), market.open("bank"), market.ids["bank"]
    assert market.refused("bank", market.pay("bank", NOWHERE, b, 1)) == "holding.account_unknown"
    assert market.refused("bank", market.pay("bank", a, NOWHERE, 1)) == "holding.account_unknown"
    unknown = Transfer(bank, NOWHERE, a, b, 1, b"")
    assert market.refused("bank", unknown) == "holding.instrument_unknown"


def test_a_closed_account_neither_sends_nor_receives(market: Market) -> None:
    a, closed = market.funded("bank", 100), market.open("bank")
    market.do("bank", CloseAccount(market.ids["bank"], closed))
    assert market.refused("bank", market.pay("bank", a, closed, 1)) == "holding.account_closed"
    assert market.refused("bank", market.pay("bank", closed, a, 1)) == "holding.account_closed"
    issue = Issue(market.ids["central"], market.cash, closed, 1, b"")
    assert market.refused("central", issue) == "holding.account_closed"


@pytest.mark.parametrize("amount", [0, -1, MAX_AMOUNT + 1, 2**64])
def test_an_amount_below_one_or_above_the_maximum_is_not_even_a_transaction(
    market: Market, amount: int
) -> None:
    a, b = market.funded("bank", 100), market.open("dealer")
    try:
        raw = market.wire("bank", market.pay("bank", a, b, amount))
    except (msgspec.MsgspecError, OverflowError):
        return  # larger than any integer of the wire format
    answer = market.ledger.run_block([raw])[0]
    assert answer.failure is not None
    assert answer.failure.code == "transaction.malformed"


def test_a_reference_of_64_bytes_is_taken_and_of_65_is_not(market: Market) -> None:
    a, b = market.funded("bank", 100), market.open("dealer")
    market.do("bank", Transfer(market.ids["bank"], market.cash, a, b, 1, b"r" * 64))
    raw = market.wire("bank", Transfer(market.ids["bank"], market.cash, a, b, 1, b"r" * 65))
    failure = market.ledger.run_block([raw])[0].failure
    assert failure is not None
    assert failure.code == "transaction.malformed"


@pytest.mark.parametrize("amount", [0, -5])
def test_a_module_that_moves_no_positive_amount_is_at_fault(market: Market, amount: int) -> None:
    a, b = market.funded("bank", 100), market.funded("dealer", 100)
    keeper, cash = market.keeper, market.cash
    assert market.faults(lambda context: keeper.transfer(context, cash, a, b, amount, b""))
    assert market.faults(lambda context: keeper.issue(context, cash, a, amount, b""))
    assert market.faults(lambda context: keeper.redeem(context, cash, a, amount, b""))
    assert market.faults(lambda context: keeper.hold(context, TERMS_ID, a, cash, amount, b, 0, b""))
    assert (market.available(a), market.available(b)) == (100, 100)


TERMS_ID = b"\x01" * 32


def test_a_credit_of_no_amount_by_a_module_is_at_fault(market: Market) -> None:
    a = market.funded("bank", 100)
    assert market.faults(lambda context: market.keeper.credit(context, market.cash, a, 0))


def test_issue_and_redeem_change_holding_and_supply_and_say_so(market: Market) -> None:
    a = market.open("bank")
    issue = market.do("central", Issue(market.ids["central"], market.cash, a, 100, b"in"))
    assert issue.events == (Issued(market.cash, a, 100, b"in"),)
    redeem = Redeem(market.ids["central"], market.ids["bank"], market.cash, a, 30, b"out")
    receipt = market.do("central bank", redeem)
    assert events_of(receipt, Redeemed) == [Redeemed(market.cash, a, 30, b"out")]
    assert market.available(a) == 70
    supply = market.keeper.supply(market.state, market.cash)
    assert supply == Supply(100, 30, 70, MAX_AMOUNT, 0)
    assert market.keeper.outstanding(market.state, market.cash) == 70


def test_nothing_is_outstanding_of_an_unknown_instrument(market: Market) -> None:
    assert market.keeper.outstanding(market.state, NOWHERE) == 0


def test_only_an_operator_issues_and_redeems(market: Market) -> None:
    a, bank = market.funded("bank", 100), market.ids["bank"]
    assert market.refused("bank", Issue(bank, market.cash, a, 1, b"")) == "holding.not_operator"
    assert market.refused("bank", Redeem(bank, bank, market.cash, a, 1, b"")) == "holding.not_operator"


def test_an_operator_needs_the_holders_signature_to_redeem(market: Market) -> None:
    a, central, bank = market.funded("bank", 100), market.ids["central"], market.ids["bank"]
    alone = Redeem(central, central, market.cash, a, 1, b"")
    assert market.refused("central", alone) == "holding.debit_not_controlled"
    raw = market.wire("central", Redeem(central, bank, market.cash, a, 1, b""))
    failure = market.ledger.run_block([raw])[0].failure
    assert failure is not None
    assert failure.code == "transaction.signature_missing"


def test_an_operator_redeems_alone_from_an_account_whose_debits_it_controls(market: Market) -> None:
    a = market.funded("bank", 100, servicer="central", debit=DebitControl.SERVICER)
    market.do("central", Redeem(market.ids["central"], market.ids["central"], market.cash, a, 100, b""))
    assert market.keeper.outstanding(market.state, market.cash) == 0


def test_one_more_than_available_is_not_redeemed(market: Market) -> None:
    a, central, bank = market.funded("bank", 100), market.ids["central"], market.ids["bank"]
    market.funded("dealer", 100)
    message = Redeem(central, bank, market.cash, a, 101, b"")
    assert market.refused("central bank", message) == "holding.insufficient"


def test_an_issue_needs_an_open_account_that_takes_the_credit(market: Market) -> None:
    closed = market.open("bank", credit=CreditControl.OWNER)
    central = market.ids["central"]
    message = Issue(central, market.cash, closed, 1, b"")
    assert market.refused("central", message) == "holding.credit_not_controlled"
    assert (
        market.refused("central", Issue(central, market.cash, NOWHERE, 1, b"")) == "holding.account_unknown"
    )
    assert market.refused("central", Issue(central, NOWHERE, closed, 1, b"")) == "holding.instrument_unknown"


def test_issues_go_up_to_the_cap_and_no_further(market: Market) -> None:
    bond, a = market.create("bank", "BOND", cap=100), market.open("bank")
    bank = market.ids["bank"]
    assert market.refused("bank", Issue(bank, bond, a, 101, b"")) == "holding.supply_exceeded"
    market.do("bank", Issue(bank, bond, a, 100, b""))
    assert market.refused("bank", Issue(bank, bond, a, 1, b"")) == "holding.supply_exceeded"
    market.do("bank", Redeem(bank, bank, bond, a, 1, b""))
    market.do("bank", Issue(bank, bond, a, 1, b""))
    assert market.holding(a, bond).available == 100


def test_the_total_of_an_uncapped_instrument_is_what_an_amount_can_hold(market: Market) -> None:
    a = market.funded("bank", MAX_AMOUNT)
    one_more = Issue(market.ids["central"], market.cash, a, 1, b"")
    assert market.refused("central", one_more) == "holding.supply_exceeded"
    assert market.available(a) == MAX_AMOUNT


def test_the_totals_are_carried_when_what_was_ever_issued_outgrows_an_amount(market: Market) -> None:
    a, central, bank = market.funded("bank", MAX_AMOUNT), market.ids["central"], market.ids["bank"]
    market.do("central bank", Redeem(central, bank, market.cash, a, 10, b""))
    market.do("central", Issue(central, market.cash, a, 4, b""))
    supply = market.keeper.supply(market.state, market.cash)
    assert supply == Supply(MAX_AMOUNT - 6, 0, MAX_AMOUNT - 6, MAX_AMOUNT, 1)


def test_the_totals_are_not_carried_at_the_limit_itself(market: Market) -> None:
    a, central, bank = market.funded("bank", MAX_AMOUNT - 4), market.ids["central"], market.ids["bank"]
    market.do("central bank", Redeem(central, bank, market.cash, a, 10, b""))
    market.do("central", Issue(central, market.cash, a, 4, b""))
    supply = market.keeper.supply(market.state, market.cash)
    assert supply == Supply(MAX_AMOUNT, 10, MAX_AMOUNT - 10, MAX_AMOUNT, 0)


def test_the_amount_bands_of_a_policy_see_instrument_and_amount() -> None:
    party, instrument, account = b"p" * 16, b"i" * 16, b"a" * 16
    assert Transfer(party, instrument, account, account, 7, b"").amount_at_risk() == (instrument, 7)
    assert Issue(party, instrument, account, 7, b"").amount_at_risk() == (instrument, 7)
    assert Redeem(party, party, instrument, account, 7, b"").amount_at_risk() == (instrument, 7)


def test_redeem_is_acted_by_operator_and_holder_once_each() -> None:
    one, other, account = b"p" * 16, b"q" * 16, b"a" * 16
    assert Redeem(one, other, account, account, 7, b"").actors() == (one, other)
    assert Redeem(one, one, account, account, 7, b"").actors() == (one,)
