"""What each shipment takes: to the penny, whatever is shipped in whatever order."""

from hypothesis import given
from hypothesis import strategies as st

from domain.captures import share_of_shipment

AMOUNTS = st.integers(0, 10**9)


def shares(lines: list[int], *, discount: int = 0, extras: int = 0) -> list[int]:
    """Ship lines of these values one by one, and list what each shipment takes."""
    subtotal = sum(lines)
    taken: list[int] = []
    for shipped in range(1, len(lines) + 1):
        taken.append(
            share_of_shipment(
                subtotal=subtotal,
                discount=discount,
                total=subtotal - discount + extras,
                shipped_value=sum(lines[:shipped]),
                captured_shares=sum(taken),
                last=shipped == len(lines),
            )
        )
    return taken


def test_shipment_takes_its_lines_and_the_last_one_what_is_left() -> None:
    assert shares([1000, 500], extras=399) == [1000, 899]


def test_discount_is_shared_by_value_and_odd_pennies_come_last() -> None:
    assert shares([1000, 1000, 1000], discount=100) == [966, 967, 967]


def test_goods_that_cost_nothing_take_nothing_before_the_last_shipment() -> None:
    assert shares([0, 0], extras=250) == [0, 250]


def test_whole_order_in_one_shipment_takes_the_total() -> None:
    assert shares([1999], discount=99, extras=350) == [2250]


@given(st.lists(AMOUNTS, min_size=1, max_size=8), AMOUNTS, AMOUNTS)
def test_shares_sum_to_the_total_and_are_never_negative(lines: list[int], discount: int, extras: int) -> None:
    discount = min(discount, sum(lines))
    taken = shares(lines, discount=discount, extras=extras)

    assert sum(taken) == sum(lines) - discount + extras
    assert all(share >= 0 for share in taken)


@given(st.lists(AMOUNTS, min_size=2, max_size=8))
def test_without_discount_each_shipment_takes_exactly_its_lines(lines: list[int]) -> None:
    assert shares(lines) == lines
