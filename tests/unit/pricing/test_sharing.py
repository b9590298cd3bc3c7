from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from domain.pricing.sharing import round_half_up, share

weights = st.lists(st.integers(0, 10**9), min_size=1, max_size=30)


@given(st.integers(0, 10**12), weights)
def test_parts_sum_to_the_whole_and_none_is_a_whole_unit_off(amount: int, given_weights: list[int]) -> None:
    parts = share(amount, given_weights)
    whole = sum(given_weights)
    assert sum(parts) == (amount if whole else 0)
    for part, weight in zip(parts, given_weights, strict=True):
        assert abs(part - (Fraction(amount * weight, whole) if whole else Fraction(0))) < 1


@given(weights, st.data())
def test_no_part_is_larger_than_its_weight_while_the_whole_is_not(
    given_weights: list[int], data: st.DataObject
) -> None:
    amount = data.draw(st.integers(0, sum(given_weights)))
    assert all(0 <= part <= weight for part, weight in zip(share(amount, given_weights), given_weights, strict=True))


def test_remaining_pennies_go_to_the_largest_remainders_then_to_the_earlier_ones() -> None:
    assert share(100, [1, 1, 1]) == [34, 33, 33]
    assert share(101, [1, 1, 1]) == [34, 34, 33]
    assert share(10, [1, 2, 3]) == [2, 3, 5]
    assert share(1, [0, 5, 5]) == [0, 1, 0]
    assert share(7, [0, 0]) == [0, 0]


def test_halves_are_rounded_upwards_exactly() -> None:
    assert [round_half_up(n, 2) for n in range(5)] == [0, 1, 1, 2, 2]
    assert [round_half_up(n, 3) for n in range(5)] == [0, 0, 1, 1, 1]
    assert round_half_up(10**30 + 1, 2) == 5 * 10**29 + 1
