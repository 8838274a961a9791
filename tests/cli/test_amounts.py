"""Amounts as people write them."""

import pytest

from traco.cli.amounts import smallest_units
from traco.cli.problems import CommandProblem
from traco.kernel.codec import MAX_AMOUNT


def test_an_amount_is_counted_in_the_smallest_unit() -> None:
    assert (smallest_units("1250.5", 2), smallest_units("7", 0)) == (125_050, 7)


def test_the_largest_amount_may_have_noughts_before_it() -> None:
    assert smallest_units(f"000{MAX_AMOUNT}", 0) == MAX_AMOUNT


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0", "amount.zero"), ("0.00", "amount.zero"), ("9" * 26, "amount.too_large"), (str(MAX_AMOUNT + 1), "amount.too_large"),
        ("9" * 10_000, "amount.too_large"), ("1,5", "amount.unreadable"), ("1.234", "amount.too_fine"),
    ],
)  # fmt: skip
def test_what_is_no_amount_has_a_code_of_its_own(text: str, code: str) -> None:
    with pytest.raises(CommandProblem) as caught:
        smallest_units(text, 0 if text == str(MAX_AMOUNT + 1) else 2)
    assert caught.value.problem.code == code
