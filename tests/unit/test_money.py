import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import CurrencyMismatchError, Money

amounts = st.integers(-(10**12), 10**12)


@given(a=amounts, b=amounts)
def test_subtracting_what_was_added_gives_the_amount_back(a: int, b: int) -> None:
    assert Money(a, "GBP") + Money(b, "GBP") - Money(b, "GBP") == Money(a, "GBP")


@given(a=amounts, quantity=st.integers(0, 1000))
def test_multiplying_equals_adding_repeatedly(a: int, quantity: int) -> None:
    assert Money(a, "GBP") * quantity == sum([Money(a, "GBP")] * quantity, Money.zero("GBP"))


def test_two_currencies_are_never_combined() -> None:
    with pytest.raises(CurrencyMismatchError, match="GBP and EUR can not be combined"):
        _ = Money(1, "GBP") + Money(1, "EUR")


@pytest.mark.parametrize("code", ["gbp", "GB", "GBPX", "", "G1P"])
def test_a_currency_is_an_iso_code(code: str) -> None:
    with pytest.raises(ValueError, match="not an ISO 4217 code"):
        Money(1, code)


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(1234, "GBP"), "12.34 GBP"),
        (Money(5, "EUR"), "0.05 EUR"),
        (Money(-5, "EUR"), "-0.05 EUR"),
        (Money(1234, "JPY"), "1234 JPY"),
        (Money(1234, "KWD"), "1.234 KWD"),
    ],
)
def test_amount_is_written_with_the_digits_of_its_currency(money: Money, text: str) -> None:
    assert str(money) == text
