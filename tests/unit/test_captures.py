"""What each shipment takes: to the penny, whatever is shipped in whatever order."""

from hypothesis import given
from hypothesis import strategies as st

from domain.captures import rest_of_order, share_of_shipment

AMOUNTS = st.integers(0, 10**9)


def shares(lines: list[int], *, extras: int = 0) -> list[int]:
    """Ship lines for which this is paid one by one, and list what each shipment takes; `extras` belong to no line."""
    paid = sum(lines)
    taken: list[int] = []
    for shipped in range(1, len(lines) + 1):
        taken.append(
            share_of_shipment(
                paid=paid,
                total=paid + extras,
                shipped_paid=sum(lines[:shipped]),
                captured_shares=sum(taken),
                last=shipped == len(lines),
            )
        )
    return taken


def test_shipping_is_shared_by_what_is_paid_for_the_lines() -> None:
    assert shares([1000, 500], extras=399) == [1266, 633]


def test_odd_pennies_come_last() -> None:
    assert shares([1000, 1000, 1000], extras=100) == [1033, 1033, 1034]


def test_goods_that_cost_nothing_take_nothing_before_the_last_shipment() -> None:
    assert shares([0, 0], extras=250) == [0, 250]


def test_whole_order_in_one_shipment_takes_the_total() -> None:
    assert shares([1900], extras=350) == [2250]


@given(st.lists(AMOUNTS, min_size=1, max_size=8), AMOUNTS)
def test_shares_sum_to_the_total_and_are_never_negative(lines: list[int], extras: int) -> None:
    taken = shares(lines, extras=extras)

    assert sum(taken) == sum(lines) + extras
    assert all(share >= 0 for share in taken)


@given(st.lists(AMOUNTS, min_size=2, max_size=8))
def test_without_extras_each_shipment_takes_exactly_its_lines(lines: list[int]) -> None:
    assert shares(lines) == lines


@given(st.lists(AMOUNTS, min_size=2, max_size=8), AMOUNTS, st.data())
def test_rest_is_what_the_shipments_so_far_have_not_taken(lines: list[int], extras: int, data: st.DataObject) -> None:
    """However the money is taken: where shipments take none, their goods cost what they would have taken."""
    shipped = data.draw(st.integers(1, len(lines) - 1))
    paid, shipped_paid = sum(lines), sum(lines[:shipped])
    kept = sum(shares(lines, extras=extras)[:shipped])

    for captured in (kept, 0):
        rest = rest_of_order(paid=paid, total=paid + extras, shipped_paid=shipped_paid, captured_shares=captured)
        assert kept + rest == paid + extras


def test_rest_bears_its_part_of_the_shipping() -> None:
    assert rest_of_order(paid=1500, total=1899, shipped_paid=1000, captured_shares=0) == 633
