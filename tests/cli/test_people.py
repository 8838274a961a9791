"""What people read instead of ids, smallest units and milliseconds."""

from typing import Any

import pytest

from traco.cli.people import FAILURES_WITH_AMOUNTS, People, Unit, readable
from traco.kernel.errors import Rejected
from traco.modules.composition import compose

EURO, BANK = "11" * 16, "22" * 16
UNITS = {EURO: Unit(2, "EUR-CASH")}


def read(value: Any, counted_in: Unit | None = None) -> Any:
    return People({BANK: "@bank"}.get, UNITS.get).read(value, counted_in)


def test_an_amount_of_a_named_instrument_has_its_decimals_and_code() -> None:
    assert read({"instrument": EURO, "amount": 123456})["amount"] == "1234.56 EUR-CASH"


def test_an_amount_inside_a_record_counts_in_the_instrument_around_it() -> None:
    assert read({"cash": EURO, "deal": {"price": 5}}) == {"cash": EURO, "deal": {"price": "0.05 EUR-CASH"}}


def test_a_record_without_instrument_counts_in_what_the_caller_says() -> None:
    assert read({"unpaid": 100}, UNITS[EURO]) == {"unpaid": "1.00 EUR-CASH"}


def test_an_amount_of_an_unknown_instrument_stays_in_smallest_units() -> None:
    assert read({"instrument": BANK, "amount": 7}) == {"instrument": "@bank", "amount": 7}


def test_numbers_that_are_no_amounts_stay_as_they_are() -> None:
    assert read({"instrument": EURO, "leg": 3, "firm": True}) == {"instrument": EURO, "leg": 3, "firm": True}


def test_ids_in_lists_get_their_names() -> None:
    assert read([BANK, EURO]) == ["@bank", EURO]


def test_a_time_is_a_date() -> None:
    assert read({"deadline_ms": 1_790_000_000_123}) == {"deadline_ms": "2026-09-21 14:13:20.123 UTC"}


def test_a_duration_stays_in_milliseconds() -> None:
    assert read({"delay_ms": 86_400_000}) == {"delay_ms": 86_400_000}


def test_amounts_below_one_and_below_nought_are_written_out() -> None:
    assert (readable(5, 2), readable(-5, 2), readable(12, 0)) == ("0.05", "-0.05", "12")


def counted_in(code: str, **fields: Any) -> str:
    return People({BANK: "@bank"}.get, UNITS.get).counted_in(code, fields)


def test_a_failure_that_names_a_known_instrument_says_its_unit() -> None:
    assert counted_in("holding.supply_exceeded", instrument=EURO, left=5) == (
        " Amounts are in the smallest unit of EUR-CASH, which has 2 decimals."
    )


@pytest.mark.parametrize("fields", [{"account": BANK, "available": 5}, {"instrument": BANK, "left": 5}])
def test_a_failure_that_names_no_known_instrument_says_smallest_unit(fields: dict[str, Any]) -> None:
    assert counted_in("holding.insufficient", **fields) == " Amounts are in the smallest unit."


def test_a_failure_without_amounts_says_nothing_of_them() -> None:
    assert counted_in("settlement.legs_exceeded", found=5, limit=4) == ""


def test_every_failure_with_amounts_is_one_of_the_ledgers() -> None:
    compose()  # which imports every module of the ledger, and their errors
    assert {kind.code for kind in Rejected.__subclasses__()} >= FAILURES_WITH_AMOUNTS
