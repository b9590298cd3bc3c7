"""Tax: by category, added to prices or contained in them, rounded by line or by total."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from domain.pricing.sharing import round_half_up, share

MILLION = 1_000_000
"""Rates are parts per million: 20% is 200,000, and 8.875% is exact, too."""


class Rounding(StrEnum):
    """Where tax is rounded to whole minor units, halves upwards."""

    LINE = "line"
    TOTAL = "total"
    """Once for each rate; the parts of the lines are shared out of that."""


@dataclass(frozen=True, slots=True)
class TaxRules:
    """The tax of one country: `rates` in parts per million by category, none for a category that is not there."""

    rates: Mapping[str, int] = field(default_factory=dict)
    included: bool = False
    rounding: Rounding = Rounding.LINE

    def rate(self, category: str) -> int:
        """Look a rate up."""
        return self.rates.get(category, 0)


UNTAXED = TaxRules()
"""No tax at all."""


def taxes(rules: TaxRules, taxed: Sequence[tuple[str, int]]) -> list[int]:
    """Find the tax of each (category, amount), amounts in minor units after discount."""
    rates = [rules.rate(category) for category, _ in taxed]
    amounts = [amount for _, amount in taxed]
    if rules.rounding is Rounding.LINE:
        return [_tax(rules, rate, amount) for rate, amount in zip(rates, amounts, strict=True)]
    return _by_total(rules, rates, amounts)


def _by_total(rules: TaxRules, rates: Sequence[int], amounts: Sequence[int]) -> list[int]:
    found = [0] * len(amounts)
    for rate in set(rates):
        weights = [amount if other == rate else 0 for other, amount in zip(rates, amounts, strict=True)]
        parts = share(_tax(rules, rate, sum(weights)), weights)
        found = [before + part for before, part in zip(found, parts, strict=True)]
    return found


def _tax(rules: TaxRules, rate: int, amount: int) -> int:
    return round_half_up(amount * rate, MILLION + rate if rules.included else MILLION)
