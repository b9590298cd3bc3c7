import pytest

from domain.money import Money
from domain.pricing import PricedLine, quote
from domain.pricing.quote import UnshippableError
from domain.pricing.shipping import Band, Measure, ShippingMethod, Zone, methods_to


def gbp(amount: int) -> Money:
    return Money(amount, "GBP")


BY_WEIGHT = ShippingMethod("parcel", "Parcel", Measure.WEIGHT, (Band(2000, gbp(399)), Band(20_000, gbp(899))))
BY_VALUE = ShippingMethod("courier", "Courier", Measure.VALUE, (Band(4999, gbp(495)), Band(None, gbp(0))))
HOME = Zone("Home", frozenset({"GB"}), (BY_WEIGHT, BY_VALUE))
WORLD = Zone("World", frozenset(), (BY_WEIGHT,))


@pytest.mark.parametrize(("weight", "price"), [(0, 399), (2000, 399), (2001, 899), (20_000, 899), (20_001, None)])
def test_parcel_is_priced_by_the_band_of_its_weight(weight: int, price: int | None) -> None:
    assert BY_WEIGHT.price(weight=weight, value=0) == (None if price is None else gbp(price))


@pytest.mark.parametrize(("value", "price"), [(0, 495), (4999, 495), (5000, 0), (10**12, 0)])
def test_parcel_is_priced_by_the_band_of_its_value(value: int, price: int) -> None:
    assert BY_VALUE.price(weight=10**6, value=value) == gbp(price)


def test_country_has_the_methods_of_its_own_zone_or_those_for_everywhere_else() -> None:
    assert methods_to([WORLD, HOME], "GB") == (BY_WEIGHT, BY_VALUE)
    assert methods_to([WORLD, HOME], "FR") == (BY_WEIGHT,)
    assert methods_to([HOME], "FR") == ()


def test_cart_weighs_what_all_its_units_weigh() -> None:
    lines = [PricedLine("A", 3, gbp(100), weight=500), PricedLine("B", 1, gbp(100), weight=501)]
    assert quote(lines, "GBP", shipping=BY_WEIGHT).shipping == gbp(899)
    assert quote(lines[:1], "GBP", shipping=BY_WEIGHT).shipping == gbp(399)
    assert quote([], "GBP", shipping=BY_WEIGHT).total == gbp(0)


def test_cart_that_is_too_heavy_can_not_be_sent_that_way() -> None:
    with pytest.raises(UnshippableError, match="parcel"):
        quote([PricedLine("ANVIL", 1, gbp(100), weight=20_001)], "GBP", shipping=BY_WEIGHT)
