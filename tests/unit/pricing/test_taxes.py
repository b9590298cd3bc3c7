from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.pricing.taxes import Rounding, TaxRules, taxes

RATES = {"standard": 200_000, "books": 50_000, "food": 0}
taxed = st.lists(st.tuples(st.sampled_from([*RATES, "unheard of"]), st.integers(0, 10**9)), max_size=20)
rules = st.builds(TaxRules, st.just(RATES), st.booleans(), st.sampled_from(Rounding))


@pytest.mark.parametrize(
    ("rate", "included", "amount", "tax"),
    [
        (200_000, False, 1999, 400),  # 399.8
        (200_000, True, 1999, 333),  # 1999 / 6 = 333.17
        (88_750, False, 1000, 89),  # 88.75
        (190_000, True, 119, 19),
        (250_000, False, 2, 1),  # a half is rounded up
    ],
)
def test_tax_is_added_or_contained_to_the_penny(rate: int, included: bool, amount: int, tax: int) -> None:
    assert taxes(TaxRules({"standard": rate}, included), [("standard", amount)]) == [tax]


def test_rounding_by_total_and_by_line_differ_by_the_pennies_that_each_line_loses() -> None:
    three = [("standard", 33)] * 3  # 6.6 each, 19.8 together
    assert taxes(TaxRules(RATES, rounding=Rounding.LINE), three) == [7, 7, 7]
    assert taxes(TaxRules(RATES, rounding=Rounding.TOTAL), three) == [7, 7, 6]


def test_each_rate_is_rounded_for_itself_and_what_has_none_is_free() -> None:
    mixed = [("standard", 33), ("books", 33), ("food", 1000), ("unheard of", 1000), ("standard", 33)]
    assert taxes(TaxRules(RATES, rounding=Rounding.TOTAL), mixed) == [7, 2, 0, 0, 6]


@given(rules, taxed)
@example(TaxRules(RATES, included=True, rounding=Rounding.TOTAL), [("standard", 1)] * 4 + [("standard", 23)])
def test_tax_is_never_negative_nor_far_from_its_rate(tax: TaxRules, amounts: list[tuple[str, int]]) -> None:
    """By total, a line has its part of what the total was rounded by, and of the pennies that are shared out."""
    most = Fraction(1, 2) if tax.rounding is Rounding.LINE else Fraction(3, 2)
    for (category, amount), part in zip(amounts, taxes(tax, amounts), strict=True):
        exact = Fraction(amount * tax.rate(category), 1_000_000 + tax.rate(category) * tax.included)
        assert part >= 0
        assert abs(part - exact) <= most


@given(st.booleans(), taxed)
def test_rounded_by_total_all_lines_of_a_rate_sum_to_the_tax_of_their_sum(
    included: bool,
    amounts: list[tuple[str, int]],
) -> None:
    by_total = TaxRules(RATES, included, Rounding.TOTAL)
    found = taxes(by_total, amounts)
    for category in RATES:
        whole = sum(amount for other, amount in amounts if other == category)
        parts = sum(part for (other, _), part in zip(amounts, found, strict=True) if other == category)
        assert [parts] == taxes(TaxRules(RATES, included), [(category, whole)])
