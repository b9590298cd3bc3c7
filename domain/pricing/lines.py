"""A line of a cart, as the price needs to know it."""

from dataclasses import dataclass

from domain.money import Money

STANDARD = "standard"
"""The tax category of what has no other."""


@dataclass(frozen=True, slots=True)
class PricedLine:
    """One line at its price: `total` is `unit_price` times `quantity`.

    `line_id` tells lines of one SKU apart. `categories` name its product's category and all above it.
    `weight` is that of one unit, in grams.
    """

    sku: str
    quantity: int
    unit_price: Money
    line_id: str = ""
    categories: frozenset[str] = frozenset()
    tax_category: str = STANDARD
    weight: int = 0

    @property
    def amount(self) -> int:
        """Multiply the line out, in minor units."""
        return self.unit_price.amount * self.quantity

    @property
    def total(self) -> Money:
        """Multiply the line out."""
        return self.unit_price * self.quantity

    @property
    def rank(self) -> tuple[int, str, int, str]:
        """Rank lines in one order whatever order they stand in: dearest first, then by what tells them apart."""
        return (-self.unit_price.amount, self.sku, self.quantity, self.line_id)
