from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import CurrencyMismatchError, Money
from domain.pricing import PricedLine, Quote, quote

amounts = st.integers(0, 10**9)
lines = st.lists(
    st.builds(
        PricedLine,
        sku=st.sampled_from(["MUG", "POT", "CUP"]),
        quantity=st.integers(1, 1_000_000),
        unit_price=st.builds(Money, amounts, st.just("GBP")),
    ),
    max_size=30,
)


@given(lines)
def test_subtotal_is_every_line_multiplied_out_and_the_total_follows_its_formula(priced: list[PricedLine]) -> None:
    price = quote(priced, "GBP")

    assert price.subtotal.amount == sum(line.quantity * line.unit_price.amount for line in priced)
    assert price.total == price.subtotal - price.discount + price.shipping + price.tax
    assert price.discount == price.shipping == price.tax == Money.zero("GBP")


@given(lines, st.randoms(use_true_random=False))
def test_order_of_the_lines_does_not_change_the_price(priced: list[PricedLine], dice: Random) -> None:
    shuffled = list(priced)
    dice.shuffle(shuffled)
    assert quote(shuffled, "GBP") == quote(priced, "GBP")


@given(lines, lines)
def test_two_carts_cost_what_one_cart_with_both_costs(left: list[PricedLine], right: list[PricedLine]) -> None:
    assert quote(left + right, "GBP").total == quote(left, "GBP").total + quote(right, "GBP").total


@given(st.integers(1, 1000), st.integers(1, 1000), amounts)
def test_a_line_in_two_parts_costs_what_it_costs_in_one(first: int, second: int, unit_price: int) -> None:
    price = Money(unit_price, "GBP")
    parts = [PricedLine("MUG", first, price), PricedLine("MUG", second, price)]
    assert quote(parts, "GBP") == quote([PricedLine("MUG", first + second, price)], "GBP")


@given(amounts, amounts, amounts, amounts)
def test_total_is_subtotal_less_discount_plus_shipping_plus_tax(
    subtotal: int, discount: int, shipping: int, tax: int
) -> None:
    parts = (Money(part, "EUR") for part in (subtotal, discount, shipping, tax))
    assert Quote(*parts).total == Money(subtotal - discount + shipping + tax, "EUR")


def test_nothing_costs_nothing_in_the_currency_that_was_asked_for() -> None:
    assert quote([], "JPY").total == Money(0, "JPY")


def test_line_in_another_currency_is_never_converted() -> None:
    mixed = [PricedLine("MUG", 1, Money(100, "GBP")), PricedLine("POT", 1, Money(100, "EUR"))]
    with pytest.raises(CurrencyMismatchError, match="GBP and EUR can not be combined"):
        quote(mixed, "GBP")
