"""What the ledger says, as people read it: names for ids, decimals for amounts, dates for times.

Programs get the ledger's own values (``--json``): ids in hex, amounts in the smallest unit, times in milliseconds.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

AMOUNTS: Final = frozenset({
    "amount", "attached", "available", "bucket", "diluted", "face", "financed", "found", "held", "left", "made_good", "owned",
    "paid", "pledged", "price", "recovered", "remainder", "returned", "total", "uncollected", "unpaid",
})  # fmt: skip
"""Fields of records and events that count smallest units."""

FAILURES_WITH_AMOUNTS: Final = frozenset({
    "document.amount_exceeded", "financing.amount_exceeded", "financing.dilution_exceeded", "financing.overpaid",
    "financing.price", "financing.recourse_amount", "financing.recourse_exceeded", "holding.attached",
    "holding.attachment_exceeded", "holding.awaiting_exceeded", "holding.hold_exceeded", "holding.instrument_in_use",
    "holding.insufficient", "holding.pledge_exceeded", "holding.supply_exceeded",
})  # fmt: skip
"""Codes of the ledger whose text counts smallest units, as consensus has it."""

_TIMES_MS: Final = range(1_000_000_000_000, 253_402_300_800_000)  # September 2001 to 9999: less is a duration


class Unit(NamedTuple):
    """What amounts are counted in: how many decimals, and the code to put behind them."""

    decimals: int
    code: str


UnitOf = Callable[[str], Unit | None]
"""The unit of an instrument (id in hex); None where it is not known."""


def readable(amount: int, decimals: int) -> str:
    """The amount with its decimals."""
    sign, digits = "-" if amount < 0 else "", str(abs(amount)).rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}" if decimals else f"{sign}{digits}"


class People:
    """Rewrites records for people. ``name_of`` gives the name of an id in hex, or None."""

    def __init__(self, name_of: Callable[[str], str | None], unit_of: UnitOf) -> None:
        self._name_of = name_of
        self._unit_of = unit_of

    def read(self, value: Any, unit: Unit | None = None, field: str = "") -> Any:
        """The value as people read it. ``unit`` counts the amounts of a record that names no instrument."""
        if isinstance(value, Mapping):
            inner = self._unit_in(value) or unit
            return {name: self.read(part, inner, name) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.read(part, unit, field) for part in value]
        if isinstance(value, str):
            return self._name_of(value) or value
        if isinstance(value, int) and not isinstance(value, bool):
            return _number(value, unit, field)
        return value

    def counted_in(self, code: str, fields: Mapping[str, Any]) -> str:
        """The sentence, with a space before it, that says what the amounts in a failure's text are; empty where it has none."""
        if code not in FAILURES_WITH_AMOUNTS:
            return ""
        unit = self._unit_in(fields)
        if unit is None:
            return " Amounts are in the smallest unit."
        return f" Amounts are in the smallest unit of {unit.code}, which has {unit.decimals} decimals."

    def _unit_in(self, record: Mapping[str, Any]) -> Unit | None:
        for field in ("instrument", "cash"):
            text = record.get(field)
            if isinstance(text, str):
                return self._unit_of(text)
        return None


def _number(value: int, unit: Unit | None, field: str) -> Any:
    if field in AMOUNTS and unit is not None:
        return f"{readable(value, unit.decimals)} {unit.code}"
    if field.endswith("_ms") and value in _TIMES_MS:
        moment = datetime.fromtimestamp(value // 1_000, UTC)
        return f"{moment:%Y-%m-%d %H:%M:%S}.{value % 1_000:03} UTC"
    return value
