"""Rounding, and splitting a whole amount into whole parts."""

from collections.abc import Sequence


def round_half_up(numerator: int, denominator: int) -> int:
    """Divide two whole numbers, neither negative, and round to the nearest one, halves upwards."""
    return (2 * numerator + denominator) // (2 * denominator)


def share(amount: int, weights: Sequence[int]) -> list[int]:
    """Split an amount in proportion to weights, none negative, by largest remainder (Hamilton's method).

    The parts sum to the amount. Of equal remainders the earlier one is rounded up, so whoever needs the same answer for
    the same things has them in one order. While the amount is at most the sum of the weights, no part is larger than
    its weight. Without any weight nothing can be split: all parts are zero.
    """
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    parts, remainders = zip(*(divmod(amount * weight, whole) for weight in weights), strict=True)
    left = amount - sum(parts)
    by_remainder = sorted(range(len(weights)), key=lambda index: (-remainders[index], index))
    raised = set(by_remainder[:left])
    return [part + (index in raised) for index, part in enumerate(parts)]
