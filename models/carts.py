"""Carts: what a buyer wants, before it is an order."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Index, Text, text
from sqlmodel import Field, SQLModel

from models.columns import document, identifier, moment, one_of


class CartStatus(StrEnum):
    """Whether a cart may be changed."""

    OPEN = "open"
    FROZEN = "frozen"
    """Its checkout is under way."""
    ORDERED = "ordered"
    EXPIRED = "expired"


class Cart(SQLModel, table=True):
    """A cart. The secret that opens it is kept as a SHA-256 digest only.

    `updated_at` is when somebody last changed it: one that nobody touches for long is `expired`. `merged_into` is the
    cart of an account that this one of a guest went into.
    `checkout_attempt` names the next order (`domain.order_ids`); it grows whenever an order ends before it was placed,
    which is also what makes a late step of that order refuse itself.
    """

    __tablename__ = "carts"
    __table_args__ = (
        one_of("status", CartStatus, "carts_status"),
        Index("carts_of_guests", text("lower(email)"), postgresql_where=text("customer_id IS NULL")),
        Index("carts_by_status", "status", "updated_at", "id"),
    )

    id: UUID = identifier()
    customer_id: UUID | None = Field(default=None, index=True)
    reference: str | None = Field(default=None, sa_type=Text, unique=True)
    token_digest: str | None = Field(default=None, sa_type=Text)
    status: str = Field(default=CartStatus.OPEN, sa_type=Text)
    checkout_attempt: int = Field(default=1)
    currency: str = Field(sa_type=Text)
    email: str | None = Field(default=None, sa_type=Text)
    phone: str | None = Field(default=None, sa_type=Text)
    shipping_address: dict[str, Any] | None = document()
    billing_address: dict[str, Any] | None = document()
    shipping_method: str | None = Field(default=None, sa_type=Text)
    promotion_codes: list[str] = Field(
        sa_type=ARRAY(Text), nullable=False, default_factory=list, sa_column_kwargs={"server_default": text("'{}'")}
    )
    merged_into: UUID | None = Field(default=None, foreign_key="carts.id")
    created_at: datetime = moment()
    updated_at: datetime = moment()


class CartLine(SQLModel, table=True):
    """A quantity of one SKU. `unit_price_amount` is set only where an importer sells a line at its own price.

    `seen_unit_price_amount` is what the catalogue asked when the line was put: what its buyer has seen.
    """

    __tablename__ = "cart_lines"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="cart_lines_quantity"),
        CheckConstraint("unit_price_amount >= 0", name="cart_lines_unit_price"),
    )

    line_id: UUID = identifier()
    cart_id: UUID = Field(foreign_key="carts.id", index=True, ondelete="CASCADE")
    sku: str = Field(sa_type=Text, foreign_key="variants.sku")
    quantity: int = Field(sa_type=BigInteger)
    unit_price_amount: int | None = Field(default=None, sa_type=BigInteger)
    seen_unit_price_amount: int | None = Field(default=None, sa_type=BigInteger)
    position: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
