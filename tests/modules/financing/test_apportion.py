"""Largest remainder: exact, fair to within one unit, one outcome."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traco.kernel.codec import MAX_AMOUNT
from traco.modules.financing.apportion import apportion

WEIGHTS = st.lists(st.integers(0, MAX_AMOUNT), min_size=1, max_size=12).filter(any)


@pytest.mark.parametrize(
    ("amount", "weights", "expected"),
    [
        (10, [1], [10]),
        (100, [1, 1, 1], [34, 33, 33]),
        (101, [1, 1, 1], [34, 34, 33]),
        (10, [6, 3, 1], [6, 3, 1]),
        (7, [5, 3, 1], [4, 2, 1]),  # quotas 3.88, 2.33, 0.77
        (1, [334, 333, 333], [1, 0, 0]),
        (1, [333, 334, 333], [0, 1, 0]),
        (5, [0, 5, 0], [0, 5, 0]),
        (0, [3, 4], [0, 0]),
    ],
)
def test_the_units_left_go_to_the_largest_remainders_then_to_the_first(
    amount: int, weights: list[int], expected: list[int]
) -> None:
    assert apportion(amount, weights) == expected


def test_nothing_is_divided_among_nobody() -> None:
    with pytest.raises(ValueError) as caught:
        apportion(1, [0, 0])
    assert str(caught.value) == "nothing to divide by"


@given(WEIGHTS, st.data())
def test_the_parts_add_up_stay_within_their_weights_and_within_one_unit_of_the_quota(
    weights: list[int], data: st.DataObject
) -> None:
    total = sum(weights)
    amount = data.draw(st.integers(0, total))
    parts = apportion(amount, weights)
    assert sum(parts) == amount
    for part, weight in zip(parts, weights, strict=True):
        assert 0 <= part <= weight
        assert -total < part * total - amount * weight < total
