"""What a retailer's file is made of: invoices, each with the sales of goods that it lists."""

from dataclasses import dataclass
from typing import NamedTuple

from domain.money import Money

CURRENCY = "GBP"


class Sale(NamedTuple):
    """A quantity of one SKU at its own price, in minor units."""

    sku: str
    quantity: int
    unit_price: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """What one buyer bought at once. `customer` is empty where the file names nobody; `country` is as written."""

    number: str
    customer: str
    country: str
    sales: tuple[Sale, ...]

    @property
    def total(self) -> Money:
        """Sum up what its goods cost."""
        return Money(sum(sale.quantity * sale.unit_price for sale in self.sales), CURRENCY)
