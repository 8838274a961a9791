"""The instruments a network is founded with, and the module's parameters."""

from typing import Any

import pytest

from modules.holding.desk import TERMS, Market
from support.ledger import Key
from traco.kernel.codec import MAX_AMOUNT
from traco.kernel.genesis import GenesisInvalid
from traco.modules.holding.messages import InstrumentKind, instrument_id
from traco.modules.holding.state import Instrument, Supply
from traco.modules.party.genesis import founding_member_id

CENTRAL = founding_member_id(Key("central").public)
BANK = founding_member_id(Key("bank").public)


def cash(**fields: Any) -> dict[str, Any]:
    """A founding instrument as written in a genesis, with some fields changed."""
    written = {
        "issuer": CENTRAL.hex(), "code": "EUR", "kind": "cash", "currency": "EUR", "decimals": 2,
        "terms": TERMS.hex(), "operators": [CENTRAL.hex(), BANK.hex()], **fields,
    }  # fmt: skip
    return {name: value for name, value in written.items() if value is not None}


def founded(*instruments: dict[str, Any]) -> Market:
    return Market(sections={"holding": {"instruments": list(instruments)}})


def test_a_network_may_be_founded_with_instruments() -> None:
    market = founded(cash(), cash(code="BOND", kind="security", issuer=BANK.hex(), currency=None, cap=9))
    assert market.keeper.instrument(market.state, instrument_id(CENTRAL, "EUR")) == Instrument(
        CENTRAL, "EUR", InstrumentKind.CASH, "EUR", 2, TERMS, (CENTRAL, BANK), "", closed=False
    )
    bond = instrument_id(BANK, "BOND")
    assert market.keeper.supply(market.state, bond) == Supply(0, 0, 0, 9, 0)
    eur = market.keeper.supply(market.state, instrument_id(CENTRAL, "EUR"))
    assert eur == Supply(0, 0, 0, MAX_AMOUNT, 0)


def test_a_network_may_be_founded_without_instruments() -> None:
    market = Market(sections={"holding": {}})
    assert market.ledger.check_invariants() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"issuer": "00" * 16},
        {"issuer": CENTRAL.hex().upper()},
        {"kind": "coin"},
        {"currency": None},
        {"decimals": 9},
        {"terms": "00"},
        {"operators": []},
        {"operators": [BANK.hex(), BANK.hex()]},
        {"transfer_check": "nobody.declares"},
        {"cap": 0},
        {"color": 1},
    ],
)
def test_a_founding_instrument_that_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(GenesisInvalid):
        founded(cash(**fields))


def test_a_section_with_anything_else_is_refused() -> None:
    with pytest.raises(GenesisInvalid):
        Market(sections={"holding": {"accounts": []}})


def test_two_founding_instruments_of_one_issuer_have_two_codes() -> None:
    with pytest.raises(GenesisInvalid, match="instrument_exists"):
        founded(cash(), cash())
