"""Dividing an amount pro rata by largest remainder (the method of Hamilton), exactly and with one outcome."""

from collections.abc import Sequence


def apportion(amount: int, weights: Sequence[int]) -> list[int]:
    """``amount`` divided in proportion to ``weights`` (not negative); the parts add up to it.

    Each gets its quota rounded down; the units left go to the largest remainders, among equals to the first. No part
    exceeds its weight where ``amount`` is at most their sum. Raises ``ValueError`` where all weights are zero.
    """
    total = sum(weights)
    if total == 0:
        raise ValueError("nothing to divide by")
    parts = [amount * weight // total for weight in weights]
    left = amount - sum(parts)
    by_remainder = sorted(range(len(weights)), key=lambda index: (-(amount * weights[index] % total), index))
    for index in by_remainder[:left]:
        parts[index] += 1
    return parts
