"""Creating and closing instruments."""

from typing import Any

import msgspec
import pytest

from modules.holding.desk import TERMS, Market
from traco.kernel.codec import MAX_AMOUNT
from traco.kernel.module import Context
from traco.modules.holding.events import InstrumentCreated, InstrumentEnded
from traco.modules.holding.messages import (
    CloseInstrument,
    CreateInstrument,
    InstrumentKind,
    Issue,
    Redeem,
    instrument_id,
)
from traco.modules.holding.state import Instrument, Supply
from traco.modules.party.messages import SetStatus

SECURITY = InstrumentKind.SECURITY
BASE = CreateInstrument(b"", "BOND", SECURITY, None, 2, TERMS, (b"",))


def bond(market: Market, issuer: str = "bank", **fields: Any) -> CreateInstrument:
    """A message that creates a bond, with some fields changed."""
    identity = market.ids[issuer]
    changed: dict[str, Any] = {"party": identity, "operators": (identity,), **fields}
    return msgspec.structs.replace(BASE, **changed)


def test_an_instrument_is_created_with_its_supply_and_says_so(market: Market) -> None:
    bank, dealer = market.ids["bank"], market.ids["dealer"]
    receipt = market.do("bank", bond(market, operators=(bank, dealer), cap=9, currency="USD", decimals=8))
    identity = instrument_id(bank, "BOND")
    assert receipt.events == (InstrumentCreated(identity, bank, "BOND", SECURITY),)
    assert market.keeper.instrument(market.state, identity) == Instrument(
        bank, "BOND", SECURITY, "USD", 8, TERMS, (bank, dealer), "", closed=False
    )
    assert market.keeper.supply(market.state, identity) == Supply(0, 0, 0, 9, 0)


def test_the_same_code_of_another_issuer_is_another_instrument(market: Market) -> None:
    market.do("bank", bond(market))
    market.do("dealer", bond(market, "dealer"))
    assert instrument_id(market.ids["bank"], "BOND") != instrument_id(market.ids["dealer"], "BOND")


def test_a_code_is_used_once_by_an_issuer(market: Market) -> None:
    market.do("bank", bond(market))
    assert market.refused("bank", bond(market, decimals=0)) == "holding.instrument_exists"


def test_cash_needs_the_role_cash_operator(market: Market) -> None:
    cash: dict[str, Any] = {"kind": InstrumentKind.CASH, "currency": "USD"}
    assert market.refused("bank", bond(market, **cash)) == "holding.kind_not_allowed"
    market.do("central", bond(market, "central", **cash))


def test_cash_needs_a_currency(market: Market) -> None:
    message = bond(market, "central", kind=InstrumentKind.CASH)
    assert market.refused("central", message) == "holding.currency_missing"


def test_the_kinds_open_to_all_are_a_parameter() -> None:
    market = Market(parameters={"open_kinds": ["receivable"]})
    assert market.refused("bank", bond(market)) == "holding.kind_not_allowed"
    market.do("bank", bond(market, kind=InstrumentKind.RECEIVABLE))


def test_an_operator_is_an_active_party_named_once(market: Market) -> None:
    bank, dealer = market.ids["bank"], market.ids["dealer"]
    repeated = bond(market, operators=(bank, dealer, bank))
    assert market.refused("bank", repeated) == "holding.operator_repeated"
    assert market.refused("bank", bond(market, operators=(bank, b"\xee" * 16))) == "party.not_found"
    client = market.founding.register("client")
    market.do("bank", SetStatus(bank, client, "suspended", "test"))
    assert market.refused("bank", bond(market, operators=(client,))) == "party.suspended"


def test_a_transfer_check_must_be_declared(market: Market) -> None:
    unknown = bond(market, transfer_check="nobody.declares")
    assert market.refused("bank", unknown) == "holding.transfer_check_unknown"


@pytest.mark.parametrize(
    "fields",
    [
        {"decimals": 9},
        {"decimals": -1},
        {"operators": ()},
        {"operators": (b"p" * 16,) * 17},
        {"cap": 0},
        {"cap": MAX_AMOUNT + 1},
        {"currency": "usd"},
        {"terms": b"short"},
        {"code": ""},
        {"code": "two words"},
        {"transfer_check": "two words"},
        {"kind": "coin"},
    ],
)
def test_what_no_instrument_can_be_is_not_even_a_transaction(market: Market, fields: dict[str, Any]) -> None:
    failure = market.ledger.run_block([market.wire("bank", bond(market, **fields))])[0].failure
    assert failure is not None
    assert failure.code == "transaction.malformed"


def test_a_module_may_create_an_instrument_that_no_party_operates(market: Market) -> None:
    bank, keeper, account = market.ids["bank"], market.keeper, market.open("bank")
    kind = InstrumentKind.RECEIVABLE
    market.call(lambda context: keeper.create_instrument(context, bank, "R", kind, decimals=2, terms=TERMS))
    identity = instrument_id(bank, "R")
    assert market.refused("bank", Issue(bank, identity, account, 1, b"")) == "holding.not_operator"
    market.call(lambda context: keeper.issue(context, identity, account, 5, b""))
    assert market.holding(account, identity).available == 5


def test_a_module_cannot_create_an_instrument_of_an_unknown_party(market: Market) -> None:
    def create(context: Context) -> object:
        return market.keeper.create_instrument(context, b"\xee" * 16, "R", SECURITY, decimals=2, terms=TERMS)

    assert market.call_refused(create) == "party.not_found"


def test_an_instrument_closes_for_good_when_nothing_is_outstanding(market: Market) -> None:
    bank, account = market.ids["bank"], market.open("bank")
    identity = market.create("bank", "BOND")
    market.do("bank", Issue(bank, identity, account, 1, b""))
    assert market.refused("bank", CloseInstrument(bank, identity)) == "holding.instrument_in_use"
    market.do("bank", Redeem(bank, bank, identity, account, 1, b""))
    receipt = market.do("bank", CloseInstrument(bank, identity))
    assert receipt.events == (InstrumentEnded(identity),)
    found = market.keeper.instrument(market.state, identity)
    assert found is not None
    assert found.closed
    assert market.refused("bank", Issue(bank, identity, account, 1, b"")) == "holding.instrument_closed"
    assert market.refused("bank", CloseInstrument(bank, identity)) == "holding.instrument_closed"
    assert market.refused("bank", bond(market)) == "holding.instrument_exists"


def test_only_the_issuer_closes_an_instrument(market: Market) -> None:
    bank, dealer = market.ids["bank"], market.ids["dealer"]
    market.do("bank", bond(market, operators=(bank, dealer)))
    message = CloseInstrument(dealer, instrument_id(bank, "BOND"))
    assert market.refused("dealer", message) == "holding.not_issuer"
    assert market.refused("bank", CloseInstrument(bank, b"\xee" * 16)) == "holding.instrument_unknown"
