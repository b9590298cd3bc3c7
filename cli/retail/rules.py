"""Which lines of an invoice are sales of goods from stock, and why the others are not."""

import re
from enum import StrEnum

from cli.retail.rows import Row

_STOCK_CODE = re.compile(r"[0-9]{5}")


class SkipReason(StrEnum):
    """Why a line is neither imported nor replayed. The first that holds is the one that is reported."""

    CANCELLATION = "cancellation"
    NOT_STOCK = "not_stock"
    NO_QUANTITY = "no_quantity"
    NO_PRICE = "no_price"
    FRACTION_OF_A_PENNY = "fraction_of_a_penny"


MEANING = {
    SkipReason.CANCELLATION: "cancellations (the invoice begins with C)",
    SkipReason.NOT_STOCK: "not stock: postage, fees, adjustments (the code does not begin with five digits)",
    SkipReason.NO_QUANTITY: "no sale: the quantity is zero or less",
    SkipReason.NO_PRICE: "no sale: the price is zero or less",
    SkipReason.FRACTION_OF_A_PENNY: "a price that is not whole pence",
}
"""Each reason in words."""


def reason_to_skip(row: Row) -> SkipReason | None:
    """Tell why a line is no sale, or None where it is one."""
    if row.invoice.startswith("C"):
        return SkipReason.CANCELLATION
    if not _STOCK_CODE.match(row.stock_code):
        return SkipReason.NOT_STOCK
    if row.quantity <= 0:
        return SkipReason.NO_QUANTITY
    if row.price is None:
        return SkipReason.FRACTION_OF_A_PENNY
    return SkipReason.NO_PRICE if row.price <= 0 else None
