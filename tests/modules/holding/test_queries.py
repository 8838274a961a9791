"""The queries of the module, on committed state."""

import pytest

from modules.holding.desk import Market
from traco.kernel.codec import MAX_AMOUNT
from traco.modules.holding.messages import Attach, Hold, Issue, Pledge, attachment_id, hold_id, pledge_id
from traco.modules.holding.queries import (
    AccountHoldingsQuery,
    AccountQuery,
    EncumbranceQuery,
    HoldersQuery,
    HoldingQuery,
    HoldingRow,
    InstrumentQuery,
    InstrumentRow,
    InstrumentsQuery,
)
from traco.modules.holding.state import NOTHING, Holding, OpenAttachment, OpenHold, OpenPledge, Supply

SALT = b"s" * 16
NOWHERE = b"\xee" * 16


def test_an_instrument_and_its_supply(market: Market) -> None:
    market.funded("bank", 5)
    found = market.ledger.query("holding.instrument", InstrumentQuery(market.cash))
    assert found == market.keeper.instrument(market.state, market.cash)
    supply = market.ledger.query("holding.supply", InstrumentQuery(market.cash))
    assert supply == Supply(5, 0, 5, MAX_AMOUNT, 0)
    assert market.ledger.query("holding.instrument", InstrumentQuery(NOWHERE)) is None
    assert market.ledger.query("holding.supply", InstrumentQuery(NOWHERE)) is None


def test_all_instruments_in_pages(market: Market) -> None:
    made = sorted([market.cash, *(market.create("bank", f"B{number}") for number in range(4))])
    first = market.ledger.query("holding.list_instruments", InstrumentsQuery(3))
    rest = market.ledger.query("holding.list_instruments", InstrumentsQuery(3, first[-1].id))
    assert [row.id for row in first + rest] == made
    assert first[0] == InstrumentRow(made[0], market.keeper.instrument(market.state, made[0]))  # type: ignore[arg-type]


def test_an_account_and_its_holdings_in_pages(market: Market) -> None:
    account, bank = market.funded("bank", 5), market.ids["bank"]
    bond = market.create("bank", "BOND")
    market.do("bank", Issue(bank, bond, account, 7, b""))
    found = market.ledger.query("holding.account", AccountQuery(account))
    assert found == market.keeper.account(market.state, account)
    rows = [
        HoldingRow(instrument, account, market.holding(account, instrument))
        for instrument in sorted([market.cash, bond])
    ]
    assert market.ledger.query("holding.by_account", AccountHoldingsQuery(account)) == rows
    assert market.ledger.query("holding.by_account", AccountHoldingsQuery(account, 1)) == rows[:1]
    after = AccountHoldingsQuery(account, 1, rows[0].instrument)
    assert market.ledger.query("holding.by_account", after) == rows[1:]
    assert market.ledger.query("holding.account", AccountQuery(NOWHERE)) is None


def test_a_holding_and_the_holders_of_an_instrument_in_pages(market: Market) -> None:
    accounts = sorted(market.funded("bank", amount) for amount in (1, 2, 3))
    rows = [HoldingRow(market.cash, account, market.holding(account)) for account in accounts]
    assert market.ledger.query("holding.holders", HoldersQuery(market.cash)) == rows
    assert market.ledger.query("holding.holders", HoldersQuery(market.cash, 2)) == rows[:2]
    assert market.ledger.query("holding.holders", HoldersQuery(market.cash, 2, accounts[1])) == rows[2:]
    found = market.ledger.query("holding.get", HoldingQuery(market.cash, accounts[0]))
    assert found == rows[0].holding
    assert market.ledger.query("holding.get", HoldingQuery(market.cash, NOWHERE)) == NOTHING


def test_holders_are_found_behind_many_rows_that_own_nothing(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traco.modules.holding.book._SCAN", 2)
    court, owners = market.ids["court"], []
    for number in range(7):
        account = market.open("bank")
        if number % 3:
            market.do("court", Attach(court, account, market.cash, 1, b"o" * 32, number.to_bytes(16, "big")))
        else:
            market.fund(account, 1)
            owners.append(account)
    owners.sort()
    keeper, state = market.keeper, market.state
    assert [account for account, _ in keeper.holders(state, market.cash, 10)] == owners
    assert [account for account, _ in keeper.holders(state, market.cash, 2)] == owners[:2]
    assert [account for account, _ in keeper.holders(state, market.cash, 2, owners[1])] == owners[2:]
    assert keeper.holders(state, market.cash, 0) == []


def test_open_encumbrances(market: Market) -> None:
    account, bank, court = market.funded("bank", 9), market.ids["bank"], market.ids["court"]
    expires = market.ledger.time_ms + 60_000
    market.do("bank", Hold(bank, account, market.cash, 1, court, expires, b"h", SALT))
    market.do("bank", Pledge(bank, account, market.cash, 2, court, b"p", SALT))
    market.do("court", Attach(court, account, market.cash, 3, b"o" * 32, SALT))
    hold = market.ledger.query("holding.hold", EncumbranceQuery(hold_id(bank, SALT)))
    assert hold == OpenHold(account, market.cash, 1, court, expires, b"h")
    pledge = market.ledger.query("holding.pledge", EncumbranceQuery(pledge_id(bank, SALT)))
    assert pledge == OpenPledge(account, market.cash, 2, court, b"p")
    found = market.ledger.query("holding.attachment", EncumbranceQuery(attachment_id(court, SALT)))
    time_ms = market.ledger.time_ms
    assert found == OpenAttachment(court, account, market.cash, 3, 3, b"o" * 32, time_ms)
    assert market.holding(account) == Holding(3, 1, 2, 3, 0, 0, 0)
    for name in ("holding.hold", "holding.pledge", "holding.attachment"):
        assert market.ledger.query(name, EncumbranceQuery(b"\xee" * 32)) is None
