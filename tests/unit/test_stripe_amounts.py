"""Amounts as Stripe writes them: no currency is charged a hundred times too much or too little."""

import pytest

from domain.money import Money
from domain.stripe_amounts import from_stripe, to_stripe


@pytest.mark.parametrize(
    ("money", "written"),
    [
        (Money(1234, "GBP"), 1234),
        (Money(1234, "JPY"), 1234),
        (Money(1230, "KWD"), 1230),
        (Money(5, "ISK"), 500),
        (Money(5, "UGX"), 500),
        (Money(500, "MGA"), 5),
        (Money(0, "MGA"), 0),
    ],
)
def test_amount_is_written_in_stripes_units_and_read_again_as_ours(money: Money, written: int) -> None:
    assert to_stripe(money) == written
    assert from_stripe(written, money.currency) == money.amount


def test_fraction_that_stripe_has_no_unit_for_is_refused() -> None:
    with pytest.raises(ValueError, match="smallest unit"):
        to_stripe(Money(550, "MGA"))
