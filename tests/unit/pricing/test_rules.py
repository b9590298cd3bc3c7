"""A quote with its explanation: whatever the rules, the parts sum to the whole, and what changes nothing says why."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import Money
from domain.pricing import PricedLine
from domain.pricing.explaining import Adjustment, AdjustmentProblem, AdjustmentType
from domain.pricing.promotions import AmountOff, FreeShipping, PercentOff, Promotion
from domain.pricing.rules import Choice, ExplainedQuote, Offer, PriceRules
from domain.pricing.shipping import Band, Measure, ShippingMethod
from domain.pricing.taxes import Rounding, TaxRules
from tests.unit.pricing import test_quote as strategies

NAMES = UUID(int=0)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
POST = ShippingMethod("post", "Post", Measure.VALUE, (Band(5000, Money(399, "GBP")),))
MUG = PricedLine("MUG", 2, Money(1000, "GBP"))


def offer(promotion: Promotion, problem: AdjustmentProblem | None = None) -> Offer:
    return Offer(uuid5(NAMES, promotion.code), f"Label of {promotion.code}", promotion, problem)


def rules_of(
    promotions: Sequence[Promotion], method: ShippingMethod | None = None, tax: TaxRules | None = None
) -> PriceRules:
    return PriceRules(
        NOW,
        offers=tuple(offer(each) for each in promotions),
        tax=tax or TaxRules(),
        tax_name="VAT",
        methods=(method,) if method else (),
        ships=method is not None,
    )


def of_type(price: ExplainedQuote, kind: AdjustmentType) -> list[Adjustment]:
    return [each for each in price.adjustments if each.type is kind]


@given(
    strategies.lines,
    strategies.promotions,
    strategies.shipping,
    strategies.rules,
    st.frozensets(st.sampled_from("ABX")),
)
def test_adjustments_explain_the_whole_total_and_each_line(
    lines: list[PricedLine],
    promotions: list[Promotion],
    method: ShippingMethod | None,
    tax: TaxRules,
    codes: frozenset[str],
) -> None:
    automatic = [replace(each, automatic=each.code in "CDEF") for each in promotions]
    choice = Choice(tuple(sorted(codes)), "post" if method else None)

    price = rules_of(automatic, method, tax).price(lines, "GBP", choice)

    found, kinds = price.quote, AdjustmentType
    totals = [(kinds.DISCOUNT, found.discount), (kinds.SHIPPING, found.shipping)]
    totals += [(kinds.TAX, found.tax), (kinds.TAX_INCLUDED, found.tax_included)]
    for kind, whole in totals:
        parts = of_type(price, kind)
        assert sum(each.amount.amount for each in parts) == whole.amount
        assert all(each.of_order >= 0 for each in parts)
        assert all(each.of_order == 0 for each in parts if kind is kinds.DISCOUNT)
    for place, line in enumerate(found.lines):
        of_line = {kind: sum(each.by_line[place] for each in of_type(price, kind) if each.by_line) for kind in kinds}
        assert of_line[kinds.DISCOUNT] == line.discount.amount
        assert of_line[kinds.TAX] + of_line[kinds.TAX_INCLUDED] == line.tax.amount
    told = {each.code for each in of_type(price, kinds.DISCOUNT)}
    assert codes <= told
    assert set(price.codes.values()) <= codes


@pytest.mark.parametrize("rounding", list(Rounding))
def test_tax_is_told_by_category_with_what_belongs_to_shipping(rounding: Rounding) -> None:
    tax = TaxRules({"standard": 200_000, "books": 88_750, "none": 0}, rounding=rounding)
    book = PricedLine("BOOK", 1, Money(1000, "GBP"), tax_category="books")

    price = rules_of([], POST, tax).price([MUG, book], "GBP", Choice(shipping_method="post"))

    told = [(each.code, each.label, each.amount.amount, each.by_line) for each in of_type(price, AdjustmentType.TAX)]
    assert told == [("books", "VAT 8.875%", 89, (0, 89)), ("standard", "VAT 20%", 480, (400, 0))]


def test_code_that_frees_the_shipping_is_not_used_where_nothing_is_shipped() -> None:
    free = Promotion("FREE", FreeShipping())

    price = rules_of([free]).price([MUG], "GBP", Choice(("FREE",)))

    assert price.codes == {}
    [told] = price.adjustments
    assert (told.code, told.amount.amount, told.problem) == ("FREE", 0, AdjustmentProblem.NOT_APPLICABLE)


def test_parcel_that_the_method_does_not_take_is_priced_without_it_and_says_so() -> None:
    price = rules_of([], POST).price([MUG, MUG, MUG], "GBP", Choice(shipping_method="post"))

    assert price.shipping_problem is AdjustmentProblem.SHIPPING_UNAVAILABLE
    assert price.quote.total == Money(6000, "GBP")


def test_parcel_that_fits_only_with_a_discount_is_sent_with_it() -> None:
    half = rules_of([Promotion("HALF", PercentOff(5000), combines=False)], POST)

    price = half.price([MUG, MUG, MUG], "GBP", Choice(("HALF",), "post"))

    assert price.shipping_problem is None
    assert (price.quote.discount.amount, price.quote.total.amount) == (3000, 3399)


def test_free_shipping_sends_no_parcel_that_the_method_does_not_take() -> None:
    free = rules_of([Promotion("FREE", FreeShipping())], POST)

    price = free.price([MUG, MUG, MUG], "GBP", Choice(("FREE",), "post"))

    assert price.shipping_problem is AdjustmentProblem.SHIPPING_UNAVAILABLE
    assert price.codes == {}


def test_promotion_that_was_used_up_meanwhile_changes_nothing_any_more() -> None:
    rules = rules_of([Promotion("TENTH", PercentOff(1000)), Promotion("PENNY", AmountOff(Money(1, "GBP")))])
    choice = Choice(("TENTH", "PENNY"))
    before = rules.price([MUG], "GBP", choice)

    after = rules.without([uuid5(NAMES, "TENTH")]).price([MUG], "GBP", choice)

    assert (before.quote.total.amount, after.quote.total.amount) == (1799, 1999)
    assert {each.code: each.problem for each in after.adjustments} == {
        "PENNY": None,
        "TENTH": AdjustmentProblem.USED_UP,
    }


def test_code_says_where_it_stands_whatever_is_in_the_cart() -> None:
    rules = replace(
        rules_of([]),
        offers=(
            offer(Promotion("GOOD", PercentOff(1000))),
            offer(Promotion("PAST", PercentOff(1000)), AdjustmentProblem.EXPIRED),
            offer(Promotion("EURO", AmountOff(Money(1, "EUR")))),
            offer(Promotion("ITSELF", PercentOff(1000), automatic=True)),
        ),
    )

    assert [rules.standing(code, "GBP") for code in ("GOOD", "PAST", "EURO", "ITSELF", "NEVER")] == [
        None,
        AdjustmentProblem.EXPIRED,
        AdjustmentProblem.OTHER_CURRENCY,
        AdjustmentProblem.UNKNOWN_CODE,
        AdjustmentProblem.UNKNOWN_CODE,
    ]
