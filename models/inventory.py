"""Stock: levels that can not go wrong, reservations of orders, and the ledger that explains every change."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from models.columns import identifier, moment, one_of

DEFAULT_LOCATION = "main"


class ReservationState(StrEnum):
    """What has become of the goods that an order asked for."""

    HELD = "held"
    COMMITTED = "committed"
    RELEASED = "released"


class MovementReason(StrEnum):
    """Why `on_hand` changed."""

    RECEIPT = "receipt"
    ADJUSTMENT = "adjustment"
    SALE = "sale"
    CANCELLATION = "cancellation"
    TRANSFER = "transfer"
    BACKORDER = "backorder"
    """Sold before it was there, and taken when it came."""
    RETURN = "return"


class Location(SQLModel, table=True):
    """A place that holds stock. Goods of one that is not `active` are not sold; one without `countries` serves all.

    Where several places could send an order, the one with the lowest `priority` does.
    """

    __tablename__ = "locations"

    code: str = Field(sa_type=Text, primary_key=True)
    name: str = Field(sa_type=Text)
    priority: int = Field(default=100, sa_column_kwargs={"server_default": text("100")})
    countries: list[str] = Field(
        default_factory=list, sa_type=ARRAY(Text), nullable=False, sa_column_kwargs={"server_default": text("'{}'")}
    )
    active: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    version: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})
    created_at: datetime = moment()


class StockLevel(SQLModel, table=True):
    """What may still be sold of a SKU at a location (`on_hand`), and how much of it is held (`reserved`)."""

    __tablename__ = "stock_levels"
    __table_args__ = (
        CheckConstraint("0 <= reserved AND reserved <= on_hand", name="stock_levels_never_oversold"),
        # Every hold rewrites its row; room on the page keeps the new version beside the old, without a new index entry.
        {"postgresql_with": {"fillfactor": 50}},
    )

    sku: str = Field(sa_type=Text, primary_key=True, foreign_key="variants.sku")
    location: str = Field(default=DEFAULT_LOCATION, sa_type=Text, primary_key=True, foreign_key="locations.code")
    on_hand: int = Field(default=0, sa_type=BigInteger)
    reserved: int = Field(default=0, sa_type=BigInteger)


class StockMovement(SQLModel, table=True):
    """One change of `on_hand`; the sum of them is what is on hand."""

    __tablename__ = "stock_movements"
    __table_args__ = (
        one_of("reason", MovementReason, "stock_movements_reason"),
        CheckConstraint("delta <> 0", name="stock_movements_delta"),
        Index("stock_movements_of_sku", "sku", "created_at", "id"),
        Index("stock_movements_receipts", "sku", "location", "note", postgresql_where=text("reason = 'receipt'")),
        Index(
            "stock_movements_once_an_order",
            "order_id",
            "sku",
            "location",
            "reason",
            unique=True,
            postgresql_where=text("order_id IS NOT NULL AND reason NOT IN ('backorder', 'return')"),
        ),
    )

    id: UUID = identifier()
    sku: str = Field(sa_type=Text, foreign_key="variants.sku")
    location: str = Field(sa_type=Text, foreign_key="locations.code")
    delta: int = Field(sa_type=BigInteger)
    reason: str = Field(sa_type=Text)
    order_id: UUID | None = Field(default=None)
    actor: str = Field(default="system", sa_type=Text)
    note: str = Field(default="", sa_type=Text)
    created_at: datetime = moment()


class Reservation(SQLModel, table=True):
    """The goods of one SKU that one order holds or has bought; lines of one SKU are summed."""

    __tablename__ = "reservations"
    __table_args__ = (
        one_of("state", ReservationState, "reservations_state"),
        CheckConstraint("quantity > 0", name="reservations_quantity"),
        Index("reservations_held", "sku", "location", postgresql_where=text("state = 'held'")),
    )

    order_id: UUID = Field(primary_key=True, foreign_key="orders.id")
    sku: str = Field(sa_type=Text, primary_key=True)
    location: str = Field(sa_type=Text, primary_key=True)
    quantity: int = Field(sa_type=BigInteger)
    state: str = Field(default=ReservationState.HELD, sa_type=Text)
    created_at: datetime = moment()
