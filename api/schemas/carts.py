"""Carts in requests and answers."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from api.schemas.addresses import Address
from api.schemas.adjustments import Adjustment
from api.schemas.fields import (
    MOST_LINES,
    Currency,
    Email,
    Input,
    MethodCode,
    Output,
    Phone,
    PromotionCode,
    Quantity,
    Sku,
    text,
)
from api.schemas.money import Money, Price
from domain.pricing.rules import MOST_CODES
from models.carts import CartStatus


class NewCart(Input):
    """A cart that is to be opened. The same `reference` gives the same cart; it needs the scope `orders:import`."""

    currency: Currency | None = None
    reference: Annotated[str, text(200)] | None = None


class CartChanges(Input):
    """What is to change; what is left out stays, null clears it."""

    email: Email | None = None
    phone: Phone | None = Field(default=None, description="E.164")
    shipping_address: Address | None = None
    billing_address: Address | None = None
    shipping_method: MethodCode | None = Field(default=None, description="One of the cart's shipping methods.")
    promotion_codes: Annotated[list[PromotionCode], Field(max_length=MOST_CODES)] | None = Field(
        default=None, description="All that are to apply, in any case."
    )

    def columns(self) -> dict[str, Any]:
        """Return what is to be written, by column; an address with all its parts."""
        columns = self.model_dump(include=self.model_fields_set)
        if "promotion_codes" in columns:
            columns["promotion_codes"] = list(dict.fromkeys(columns["promotion_codes"] or ()))
        return columns


class LineQuantity(Input):
    """How much of a SKU is to be in the cart."""

    quantity: Quantity


class NewLine(Input):
    """A line that is to be in the cart; an own `unit_price` needs the scope `orders:import`."""

    sku: Sku
    quantity: Quantity
    unit_price: Price | None = None


class NewLines(Input):
    """Every line that is to be in the cart, in this order."""

    lines: list[NewLine] = Field(max_length=MOST_LINES)


class CartClaim(Input):
    """How a guest's cart becomes an account's. With `merge` it goes into the account's open cart of its currency."""

    merge: bool = Field(default=False, strict=True)


class LineProblem(Output):
    """What stands in the way of a line, or has changed about it."""

    code: str = Field(
        description="`unknown_sku` (not sold any more) and `currency_mismatch` (no price): the line counts nothing. "
        "`insufficient_stock`: a checkout would be refused. `price_changed` since the line was put."
    )
    available: int | None = Field(default=None, description="Of `insufficient_stock`: what can be sold of the SKU.")
    seen_unit_price: Money | None = Field(default=None, description="Of `price_changed`: the price at that time.")


class CartLine(Output):
    """A line at today's price, with what its buyer has to know before it is checked out."""

    line_id: UUID
    sku: str
    title: str
    quantity: int
    unit_price: Money | None
    total: Money | None
    discount: Money
    tax: Money
    tax_included: Money
    problems: list[LineProblem]


class Cart(Output):
    """A cart at today's prices."""

    id: UUID
    reference: str | None
    status: str
    currency: str
    checkout_attempt: int
    email: str | None
    phone: str | None
    shipping_address: dict[str, Any] | None
    billing_address: dict[str, Any] | None
    shipping_method: str | None = None
    promotion_codes: tuple[str, ...] = ()
    lines: list[CartLine]
    subtotal: Money
    discount: Money
    shipping: Money
    tax: Money
    tax_included: Money = Field(description="Contained in the prices: told, not added.")
    total: Money
    adjustments: list[Adjustment] = Field(description="What the total consists of beside the lines.")


class OpenedCart(Cart):
    """A cart with the secret that opens it, which is shown this once; null when the cart was there before."""

    token: str | None


class CartSummary(Output):
    """A cart as it stands in a list. `lines` is how many it has; `updated_at` when somebody last changed it."""

    id: UUID
    status: CartStatus
    currency: str
    customer_id: UUID | None
    reference: str | None
    email: str | None
    lines: int
    created_at: datetime
    updated_at: datetime


class ShippingMethod(Output):
    """A way in which a cart can be sent."""

    code: Annotated[str, StringConstraints(min_length=1)]
    name: str
    price: Money
