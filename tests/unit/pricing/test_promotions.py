from datetime import UTC, datetime, timedelta

import pytest

from domain.money import Money
from domain.pricing import PricedLine, quote
from domain.pricing.promotions import (
    AmountOff,
    BuyGet,
    Effect,
    FreeShipping,
    PercentOff,
    Promotion,
    Target,
    offered,
)
from domain.pricing.shipping import Band, Measure, ShippingMethod

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
POST = ShippingMethod("post", "Post", Measure.WEIGHT, (Band(None, Money(500, "GBP")),))


def gbp(amount: int) -> Money:
    return Money(amount, "GBP")


def line(sku: str, quantity: int, price: int, *categories: str) -> PricedLine:
    return PricedLine(sku, quantity, gbp(price), line_id=sku, categories=frozenset(categories))


def discounts(lines: list[PricedLine], *promotions: Promotion) -> list[int]:
    return [each.discount.amount for each in quote(lines, "GBP", promotions=promotions).lines]


def test_percentage_is_rounded_once_and_its_pennies_are_shared_out() -> None:
    lines = [line("A", 1, 333), line("B", 1, 333), line("C", 1, 333)]
    assert discounts(lines, Promotion("TEN", PercentOff(1000))) == [34, 33, 33]


def test_amount_is_never_more_than_the_lines_cost() -> None:
    lines = [line("A", 1, 300), line("B", 1, 100)]
    assert discounts(lines, Promotion("FIVER", AmountOff(gbp(500)))) == [300, 100]
    assert discounts(lines, Promotion("TWO", AmountOff(gbp(200)))) == [150, 50]


def test_only_the_targeted_lines_get_cheaper() -> None:
    lines = [line("MUG", 1, 1000, "kitchen", "home"), line("PEN", 1, 1000, "office")]
    for target in (Target(categories=frozenset({"home"})), Target(skus=frozenset({"MUG"}))):
        assert discounts(lines, Promotion("HALF", PercentOff(5000), target)) == [500, 0]
    assert discounts(lines, Promotion("HALF", PercentOff(5000), Target(skus=frozenset({"INK"})))) == [0, 0]


@pytest.mark.parametrize(
    ("quantity", "free"),
    [(1, 0), (2, 0), (3, 1), (4, 1), (5, 1), (6, 2), (3_000_000, 1_000_000), (3_000_002, 1_000_000)],
)
def test_of_three_one_is_free(quantity: int, free: int) -> None:
    assert discounts([line("MUG", quantity, 700)], Promotion("3FOR2", BuyGet(2, 1))) == [700 * free]


def test_the_cheapest_of_each_group_is_free_over_several_lines() -> None:
    lines = [line("CHEAP", 2, 100), line("DEAR", 3, 900), line("MIDDLE", 1, 500)]
    # dearest first: 900 900 [900] 500 100 [100]
    assert discounts(lines, Promotion("3FOR2", BuyGet(2, 1))) == [100, 900, 0]
    assert discounts(lines, Promotion("HALF3RD", BuyGet(2, 1, 5000))) == [50, 450, 0]


def test_promotions_that_combine_take_from_what_the_earlier_ones_left() -> None:
    lines = [line("A", 1, 1000)]
    first, second = Promotion("B", PercentOff(5000), priority=1), Promotion("A", AmountOff(gbp(700)), priority=2)
    applied = quote(lines, "GBP", promotions=[second, first]).promotions
    assert [(each.code, each.discount) for each in applied] == [("B", 500), ("A", 500)]


def test_what_saves_the_buyer_most_is_taken_where_promotions_do_not_combine() -> None:
    lines = [line("A", 1, 1000)]
    ten, five = Promotion("TEN", PercentOff(1000)), Promotion("FIVE", PercentOff(500))
    third = Promotion("THIRD", PercentOff(3000), combines=False)
    some = Promotion("SOME", PercentOff(1200), combines=False)

    def codes(*promotions: Promotion) -> list[str]:
        return [each.code for each in quote(lines, "GBP", promotions=promotions).promotions]

    assert codes(ten, five, third, some) == ["THIRD"]
    assert codes(ten, five, some) == ["FIVE", "TEN"]  # 145 together, 120 alone
    assert codes(some) == ["SOME"]


def test_free_shipping_saves_what_shipping_would_have_cost() -> None:
    lines = [line("A", 1, 1000)]
    free = Promotion("FREE", FreeShipping(), combines=False)
    forty = Promotion("FORTY", PercentOff(4000), combines=False)
    sixty = Promotion("SIXTY", PercentOff(6000), combines=False)

    price = quote(lines, "GBP", promotions=[free, forty], shipping=POST)
    assert (price.discount, price.shipping, price.total) == (gbp(0), gbp(0), gbp(1000))
    price = quote(lines, "GBP", promotions=[free, sixty], shipping=POST)
    assert (price.discount, price.shipping, price.total) == (gbp(600), gbp(500), gbp(900))


def test_conditions_look_at_the_targeted_lines_before_any_discount() -> None:
    lines = [line("MUG", 3, 1000, "kitchen"), line("PEN", 1, 5000)]
    kitchen = Target(categories=frozenset({"kitchen"}))
    other = Promotion("FIRST", PercentOff(5000), priority=-1)
    for minimum, quantity, deserved in ((3000, 3, True), (3001, 0, False), (0, 4, False)):
        promotion = Promotion("KITCHEN", AmountOff(gbp(100)), kitchen, minimum=gbp(minimum), minimum_quantity=quantity)
        applied = {each.code for each in quote(lines, "GBP", promotions=[promotion, other]).promotions}
        assert ("KITCHEN" in applied) == deserved


@pytest.mark.parametrize("effect", [AmountOff(Money(100, "EUR")), PercentOff(1000)])
def test_a_promotion_in_another_currency_is_not_converted(effect: Effect) -> None:
    promotion = Promotion("EURO", effect, minimum=Money(1, "EUR"))
    assert discounts([line("A", 1, 1000)], promotion) == [0]


def test_promotions_are_offered_in_their_time_by_code_or_by_themselves() -> None:
    hour = timedelta(hours=1)
    typed = Promotion("TYPED", PercentOff(100))
    over = Promotion("OVER", PercentOff(100), automatic=True, ends_at=NOON)
    coming = Promotion("COMING", PercentOff(100), automatic=True, starts_at=NOON + hour)
    now = Promotion("NOW", PercentOff(100), automatic=True, starts_at=NOON, ends_at=NOON + hour)
    everything = [typed, over, coming, now]
    assert offered(everything, frozenset(), NOON) == [now]
    assert offered(everything, frozenset({"TYPED", "OVER"}), NOON) == [typed, now]
    assert offered(everything, frozenset({"typed"}), NOON - hour) == [over]
