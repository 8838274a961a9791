"""Amounts as people write them, ``1250.50``, and as the ledger counts them, in an instrument's smallest unit. Exact."""

import re
from typing import Any

from traco.cli.problems import unusable
from traco.cli.session import Reading
from traco.kernel.codec import MAX_AMOUNT

_AMOUNT = re.compile(r"([0-9]+)(?:\.([0-9]{1,8}))?")


def smallest_units(text: str, decimals: int) -> int:
    """The amount in the smallest unit. Raises ``CommandProblem`` for what is no amount, or finer than the unit."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise unusable(
            "amount.unreadable", f"{text!r} is not an amount; write digits, and a point before decimals."
        )
    whole, fraction = match[1], match[2] or ""
    if len(fraction) > decimals:
        raise unusable(
            "amount.too_fine", f"{text!r} has more than the {decimals} decimals of the instrument."
        )
    digits = (whole + fraction.ljust(decimals, "0")).lstrip("0") or "0"
    amount = int(digits) if len(digits) <= len(str(MAX_AMOUNT)) else MAX_AMOUNT + 1
    if amount > MAX_AMOUNT:
        raise unusable("amount.too_large", f"{text!r} is more than any ledger amount can be.")
    if amount == 0:
        raise unusable("amount.zero", "An amount is more than 0.")
    return amount


def instrument_of(session: Reading, text: str) -> tuple[bytes, dict[str, Any]]:
    """The id and the record of an instrument given by name or id. Raises ``CommandProblem`` where there is none."""
    identity = session.identity(text, "instrument")
    record: dict[str, Any] = session.require(
        session.shown("holding.instrument", instrument=identity), "instrument", text
    )
    session.learn_unit(identity, record)
    return identity, record


def amount_of(session: Reading, instrument: str, amount: str) -> tuple[bytes, int]:
    """The id of an instrument and an amount of it in its smallest unit."""
    identity, record = instrument_of(session, instrument)
    return identity, smallest_units(amount, record["decimals"])
