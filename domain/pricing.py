"""What a cart costs.

The order of steps is fixed: lines are multiplied out, summed to the subtotal, and the total is
`subtotal - discount + shipping + tax` (invariant I9). Discounts, shipping and tax are zero until their engine exists.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.money import Money


@dataclass(frozen=True, slots=True)
class PricedLine:
    """One line at its price: `total` is `unit_price` times `quantity`."""

    sku: str
    quantity: int
    unit_price: Money

    @property
    def total(self) -> Money:
        """Multiply the line out."""
        return self.unit_price * self.quantity


@dataclass(frozen=True, slots=True)
class Quote:
    """The price of a whole cart, all parts in one currency."""

    subtotal: Money
    discount: Money
    shipping: Money
    tax: Money

    @property
    def total(self) -> Money:
        """Sum up what the buyer pays."""
        return self.subtotal - self.discount + self.shipping + self.tax


def quote(lines: Sequence[PricedLine], currency: str) -> Quote:
    """Price lines in a currency. The order of the lines does not matter.

    Raises:
        CurrencyMismatchError: a line is priced in another currency.
    """
    nothing = Money.zero(currency)
    return Quote(
        subtotal=sum((line.total for line in lines), nothing),
        discount=nothing,
        shipping=nothing,
        tax=nothing,
    )
