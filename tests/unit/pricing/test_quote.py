from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import CurrencyMismatchError, Money
from domain.pricing import PricedLine, Quote, quote
from domain.pricing.promotions import AmountOff, BuyGet, FreeShipping, PercentOff, Promotion, Target
from domain.pricing.shipping import Band, Measure, ShippingMethod
from domain.pricing.taxes import Rounding, TaxRules

NOTHING = Money.zero("GBP")
amounts = st.integers(0, 10**9)
money = st.builds(Money, amounts, st.just("GBP"))
categories = st.frozensets(st.sampled_from(["kitchen", "office", "toys"]))
plain_lines = st.lists(
    st.builds(
        PricedLine, sku=st.sampled_from(["MUG", "POT", "CUP"]), quantity=st.integers(1, 1_000_000), unit_price=money
    ),
    max_size=30,
)
lines = st.lists(
    st.builds(
        PricedLine,
        sku=st.sampled_from(["MUG", "POT", "CUP"]),
        quantity=st.integers(1, 50),
        unit_price=st.builds(Money, st.integers(0, 5000), st.just("GBP")),
        line_id=st.uuids().map(str),
        categories=categories,
        tax_category=st.sampled_from(["standard", "books", "none"]),
        weight=st.integers(0, 2000),
    ),
    max_size=8,
)
promotions = st.lists(
    st.builds(
        Promotion,
        code=st.sampled_from("ABCDEF"),
        effect=st.one_of(
            st.builds(PercentOff, st.integers(1, 10_000)),
            st.builds(AmountOff, st.builds(Money, st.integers(1, 20_000), st.just("GBP"))),
            st.builds(BuyGet, st.integers(1, 4), st.integers(1, 3), st.integers(1, 10_000)),
            st.just(FreeShipping()),
        ),
        target=st.builds(Target, st.frozensets(st.sampled_from(["MUG", "POT"])), categories),
        combines=st.booleans(),
        priority=st.integers(-2, 2),
        minimum_quantity=st.integers(0, 20),
    ),
    max_size=5,
    unique_by=lambda promotion: promotion.code,
)
shipping = st.none() | st.builds(
    lambda prices: ShippingMethod(
        "post", "Post", Measure.VALUE, (Band(5000, Money(prices[0], "GBP")), Band(None, Money(prices[1], "GBP")))
    ),
    st.tuples(st.integers(0, 2000), st.integers(0, 2000)),
)
rules = st.builds(TaxRules, st.just({"standard": 200_000, "books": 88_750}), st.booleans(), st.sampled_from(Rounding))


@given(plain_lines)
def test_subtotal_is_every_line_multiplied_out_and_nothing_is_added_unasked(priced: list[PricedLine]) -> None:
    price = quote(priced, "GBP")

    assert price.subtotal.amount == sum(line.quantity * line.unit_price.amount for line in priced)
    assert price.discount == price.shipping == price.tax == price.tax_included == NOTHING
    assert price.total == price.subtotal


@given(lines, promotions, shipping, rules)
def test_parts_sum_to_the_whole_and_nothing_is_negative(
    priced: list[PricedLine], offers: list[Promotion], method: ShippingMethod | None, tax: TaxRules
) -> None:
    price = quote(priced, "GBP", promotions=offers, shipping=method, tax=tax)

    assert price.total == price.subtotal - price.discount + price.shipping + price.tax
    assert sum(each.discount.amount for each in price.lines) == price.discount.amount
    assert sum(each.discount for each in price.promotions) == price.discount.amount
    carriage_tax = price.tax.amount + price.tax_included.amount - sum(each.tax.amount for each in price.lines)
    assert 0 <= carriage_tax <= price.shipping.amount
    assert NOTHING in (price.tax, price.tax_included)
    assert [each.line for each in price.lines] == priced
    for each in price.lines:
        assert NOTHING <= each.net <= each.line.total
        assert each.tax.amount >= 0
    assert price.total >= NOTHING


@given(lines, promotions, shipping, rules, st.randoms(use_true_random=False))
def test_order_of_lines_and_promotions_does_not_change_any_part(
    priced: list[PricedLine], offers: list[Promotion], method: ShippingMethod | None, tax: TaxRules, dice: Random
) -> None:
    def parts(price: Quote) -> object:
        by_line = {each.line.line_id: (each.discount, each.tax) for each in price.lines}
        codes = [(each.code, each.discount, each.frees_shipping) for each in price.promotions]
        return (price.subtotal, price.discount, price.shipping, price.tax, price.tax_included, by_line, codes)

    expected = parts(quote(priced, "GBP", promotions=offers, shipping=method, tax=tax))
    dice.shuffle(priced)
    dice.shuffle(offers)
    assert parts(quote(priced, "GBP", promotions=offers, shipping=method, tax=tax)) == expected


@given(lines, promotions, shipping)
def test_no_promotion_alone_would_have_been_better(
    priced: list[PricedLine], offers: list[Promotion], method: ShippingMethod | None
) -> None:
    best = quote(priced, "GBP", promotions=offers, shipping=method).total
    for offer in offers:
        if not offer.combines:
            assert best <= quote(priced, "GBP", promotions=[offer], shipping=method).total


@given(plain_lines, plain_lines)
def test_two_carts_cost_what_one_cart_with_both_costs(left: list[PricedLine], right: list[PricedLine]) -> None:
    assert quote(left + right, "GBP").total == quote(left, "GBP").total + quote(right, "GBP").total


@given(amounts, amounts, amounts, amounts)
def test_total_is_subtotal_less_discount_plus_shipping_plus_tax(
    subtotal: int, discount: int, shipping_price: int, tax: int
) -> None:
    first, second, third, fourth = (Money(part, "EUR") for part in (subtotal, discount, shipping_price, tax))
    assert Quote(first, second, third, fourth, tax_included=Money(1, "EUR")).total == Money(
        subtotal - discount + shipping_price + tax, "EUR"
    )


def test_tax_that_prices_include_is_told_and_not_added() -> None:
    line = PricedLine("MUG", 1, Money(1200, "GBP"))
    included = quote([line], "GBP", tax=TaxRules({"standard": 200_000}, included=True))
    added = quote([line], "GBP", tax=TaxRules({"standard": 200_000}))
    assert (included.tax, included.tax_included, included.total) == (NOTHING, Money(200, "GBP"), Money(1200, "GBP"))
    assert (added.tax, added.tax_included, added.total) == (Money(240, "GBP"), NOTHING, Money(1440, "GBP"))


def test_nothing_costs_nothing_in_the_currency_that_was_asked_for() -> None:
    assert quote([], "JPY").total == Money(0, "JPY")


def test_line_in_another_currency_is_never_converted() -> None:
    mixed = [PricedLine("MUG", 1, Money(100, "GBP")), PricedLine("POT", 1, Money(100, "EUR"))]
    with pytest.raises(CurrencyMismatchError, match="GBP and EUR can not be combined"):
        quote(mixed, "GBP")
