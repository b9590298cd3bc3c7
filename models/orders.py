"""Orders: what was bought, where it stands, and how it came there."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Identity, Index, Integer, Sequence, Text, text
from sqlmodel import Field, SQLModel

from domain.captures import CapturePolicy
from domain.order_states import EventType, FailureReason, OrderStatus, PaymentStatus
from models.columns import document, identifier, moment, one_of, optional_moment

_SECONDS = ARRAY(Integer)

ORDER_NUMBERS = Sequence("order_numbers", start=100001, metadata=SQLModel.metadata)


class Order(SQLModel, table=True):
    """An order. Its id is computed from its cart and the attempt, so that one attempt makes one order.

    `reason` says why it failed; `operator_reason` why a person has to look at it. `payment_method` is the
    provider's token that was last offered; `payment_attempt` numbers the authorisations. `refunding_amount` is what
    refunds under way have reserved of the captured money; `cancelled_amount` is the part of the total that is not owed,
    because its goods were cancelled after others had been shipped. `payment_retry_delays` (seconds) is empty for a
    buyer who did not ask for retries; `payment_retry_at` is when the next one is due. All amounts are minor units of
    `currency`.
    """

    __tablename__ = "orders"
    __table_args__ = (
        one_of("status", OrderStatus, "orders_status"),
        one_of("payment_status", PaymentStatus, "orders_payment_status"),
        one_of("reason", FailureReason, "orders_reason"),
        CheckConstraint(
            "total_amount = subtotal_amount - discount_amount + shipping_amount + tax_amount", name="orders_total"
        ),
        one_of("capture_policy", CapturePolicy, "orders_capture_policy"),
        CheckConstraint(
            "0 <= refunded_amount AND 0 <= refunding_amount AND refunded_amount + refunding_amount <= captured_amount"
            " AND captured_amount <= total_amount",
            name="orders_money",
        ),
        CheckConstraint("0 <= cancelled_amount AND cancelled_amount <= total_amount", name="orders_cancelled"),
        Index(
            "orders_one_live_a_cart",
            "cart_id",
            unique=True,
            postgresql_where=text("status NOT IN ('failed', 'cancelled')"),
        ),
        Index("orders_by_time", "created_at", "id"),
        Index("orders_by_status", "status", "created_at", "id"),
        Index("orders_by_customer", "customer_id", "created_at", "id"),
        Index("orders_by_email", text("lower(email)"), "created_at", "id"),
        Index("orders_open", "status", "id", postgresql_where=text("status NOT IN ('failed', 'cancelled', 'closed')")),
        Index("orders_needing_operator", "created_at", "id", postgresql_where=text("needs_operator")),
    )

    id: UUID = Field(primary_key=True)
    number: str = Field(
        sa_type=Text, unique=True, sa_column_kwargs={"server_default": text("'EO-' || nextval('order_numbers')")}
    )
    cart_id: UUID = Field(foreign_key="carts.id", index=True)
    customer_id: UUID | None = Field(default=None)
    checkout_attempt: int
    status: str = Field(default=OrderStatus.PENDING, sa_type=Text)
    payment_status: str = Field(default=PaymentStatus.NONE, sa_type=Text)
    needs_operator: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    operator_reason: str | None = Field(default=None, sa_type=Text)
    reason: str | None = Field(default=None, sa_type=Text)
    currency: str = Field(sa_type=Text)
    subtotal_amount: int = Field(sa_type=BigInteger)
    discount_amount: int = Field(default=0, sa_type=BigInteger)
    shipping_amount: int = Field(default=0, sa_type=BigInteger)
    tax_amount: int = Field(default=0, sa_type=BigInteger)
    tax_included_amount: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})
    total_amount: int = Field(sa_type=BigInteger)
    captured_amount: int = Field(default=0, sa_type=BigInteger)
    refunded_amount: int = Field(default=0, sa_type=BigInteger)
    refunding_amount: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})
    cancelled_amount: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})
    capture_policy: str = Field(
        default=CapturePolicy.PLACEMENT, sa_type=Text, sa_column_kwargs={"server_default": text("'placement'")}
    )
    close_at: datetime | None = optional_moment()
    payment_method: str | None = Field(default=None, sa_type=Text)
    payment_attempt: int = Field(default=1)
    payment_deadline: datetime | None = optional_moment()
    payment_retry_delays: list[int] = Field(
        default_factory=list, sa_type=_SECONDS, sa_column_kwargs={"server_default": text("'{}'")}
    )
    payment_retries: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    payment_retry_at: datetime | None = optional_moment()
    payment_retry_holds_stock: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    email: str | None = Field(default=None, sa_type=Text)
    phone: str | None = Field(default=None, sa_type=Text)
    shipping_address: dict[str, Any] | None = document()
    billing_address: dict[str, Any] | None = document()
    created_at: datetime = moment()
    updated_at: datetime = moment()


class OrderLine(SQLModel, table=True):
    """One line as it was sold: the title and price of that moment.

    The buyer pays `total_amount - discount_amount + tax_amount` for it; `tax_included_amount` is contained in that.
    """

    __tablename__ = "order_lines"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="order_lines_quantity"),
        CheckConstraint("total_amount = unit_price_amount * quantity", name="order_lines_total"),
        CheckConstraint(
            "0 <= shipped_quantity AND 0 <= cancelled_quantity AND shipped_quantity + cancelled_quantity <= quantity",
            name="order_lines_shipped",
        ),
        CheckConstraint(
            "0 <= returned_quantity AND returned_quantity <= shipped_quantity", name="order_lines_returned"
        ),
        CheckConstraint(
            "0 <= discount_amount AND discount_amount <= total_amount AND 0 <= tax_amount AND 0 <= tax_included_amount",
            name="order_lines_parts",
        ),
        Index("order_lines_unshipped", "sku", "order_id", postgresql_where=text("shipped_quantity < quantity")),
    )

    line_id: UUID = identifier()
    order_id: UUID = Field(foreign_key="orders.id", index=True)
    position: int = Field(default=0)
    sku: str = Field(sa_type=Text)
    title: str = Field(sa_type=Text)
    quantity: int = Field(sa_type=BigInteger)
    shipped_quantity: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})
    cancelled_quantity: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})
    returned_quantity: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})
    unit_price_amount: int = Field(sa_type=BigInteger)
    total_amount: int = Field(sa_type=BigInteger)
    discount_amount: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})
    tax_amount: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})
    tax_included_amount: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})


class OrderEvent(SQLModel, table=True):
    """One entry of an order's timeline, written in the transaction that made it true."""

    __tablename__ = "order_events"
    __table_args__ = (
        one_of("type", EventType, "order_events_type"),
        Index("order_events_of_order", "order_id", "id"),
    )

    id: int | None = Field(default=None, sa_type=BigInteger, primary_key=True, sa_column_args=(Identity(always=True),))
    order_id: UUID = Field(foreign_key="orders.id")
    type: str = Field(sa_type=Text)
    from_status: str | None = Field(default=None, sa_type=Text)
    to_status: str = Field(sa_type=Text)
    actor: str = Field(sa_type=Text)
    reason: str | None = Field(default=None, sa_type=Text)
    note_id: UUID | None = Field(default=None, foreign_key="order_notes.id")
    created_at: datetime = moment()


class OrderNote(SQLModel, table=True):
    """Free text that somebody wrote about an order: it stays here and never enters a Temporal history."""

    __tablename__ = "order_notes"

    id: UUID = identifier()
    order_id: UUID = Field(index=True)
    text: str = Field(sa_type=Text)
    actor: str = Field(sa_type=Text)
    created_at: datetime = moment()
