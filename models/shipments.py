"""Shipments: which goods have left the house, and what was taken for them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from models.columns import identifier, moment, one_of, optional_moment


class ShipmentState(StrEnum):
    """How a shipment stands. It is `preparing` until its share of the money was taken; without that, `abandoned`."""

    PREPARING = "preparing"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    ABANDONED = "abandoned"


class Shipment(SQLModel, table=True):
    """One parcel or more that leave together. `share_amount` is what is captured for it; 0 where all was before."""

    __tablename__ = "shipments"
    __table_args__ = (
        one_of("state", ShipmentState, "shipments_state"),
        CheckConstraint("share_amount >= 0", name="shipments_share"),
        UniqueConstraint("order_id", "n", name="shipments_number"),
        Index("shipments_under_way", "order_id", postgresql_where=text("state = 'preparing'")),
    )

    id: UUID = identifier()
    order_id: UUID = Field(foreign_key="orders.id")
    n: int
    state: str = Field(default=ShipmentState.PREPARING, sa_type=Text)
    share_amount: int = Field(default=0, sa_type=BigInteger)
    carrier: str = Field(default="", sa_type=Text)
    tracking_number: str = Field(default="", sa_type=Text)
    actor: str = Field(sa_type=Text)
    code: str | None = Field(default=None, sa_type=Text)
    created_at: datetime = moment()
    shipped_at: datetime | None = optional_moment()
    delivered_at: datetime | None = optional_moment()


class ShipmentLine(SQLModel, table=True):
    """How many of an order's line a shipment holds. `order_lines.shipped_quantity` bounds their sum."""

    __tablename__ = "shipment_lines"
    __table_args__ = (CheckConstraint("quantity > 0", name="shipment_lines_quantity"),)

    shipment_id: UUID = Field(primary_key=True, foreign_key="shipments.id")
    line_id: UUID = Field(primary_key=True, foreign_key="order_lines.line_id")
    quantity: int = Field(sa_type=BigInteger)
