"""Shipping: zones, methods, and what a parcel costs by its weight or its value."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.money import Money


class Measure(StrEnum):
    """What decides about the price of a parcel."""

    WEIGHT = "weight"
    """In grams."""
    VALUE = "value"
    """Of the goods after discount, in minor units."""


@dataclass(frozen=True, slots=True)
class Band:
    """The price up to and including a measure; None is without end."""

    up_to: int | None
    price: Money


@dataclass(frozen=True, slots=True)
class ShippingMethod:
    """A way to send a parcel. `bands` rise; a parcel beyond the last one can not be sent this way."""

    code: str
    name: str
    measure: Measure
    bands: tuple[Band, ...]
    tax_category: str = "standard"

    def price(self, *, weight: int, value: int) -> Money | None:
        """Price a parcel of a weight in grams and a value in minor units; None when it can not be sent this way."""
        size = weight if self.measure is Measure.WEIGHT else value
        return next((band.price for band in self.bands if band.up_to is None or size <= band.up_to), None)


@dataclass(frozen=True, slots=True)
class Zone:
    """Countries (ISO 3166-1 alpha-2) that share shipping methods; one without countries is everywhere else."""

    name: str
    countries: frozenset[str]
    methods: tuple[ShippingMethod, ...]


def methods_to(zones: Sequence[Zone], country: str) -> tuple[ShippingMethod, ...]:
    """List the ways to a country: those of the zone that names it, else those of the zone for everywhere else."""
    named = [zone for zone in zones if country in zone.countries]
    elsewhere = [zone for zone in zones if not zone.countries]
    return next((zone.methods for zone in named + elsewhere), ())
