"""What is decided about the stock of a SKU, what orders wait for, and when little was left."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, text
from sqlmodel import Field, SQLModel

from models.columns import identifier, moment, one_of, optional_moment
from models.inventory import ReservationState

_ZERO = {"server_default": text("0")}


class StockPolicy(SQLModel, table=True):
    """How much more of a SKU may be sold than there is, and how little of it is little.

    `backordered` counts what orders wait for. Whoever holds stock of a SKU with a policy, frees it, receives it or
    lets orders wait for it locks this row first: that is what keeps those who wait in their order. `version` grows with
    what is decided, and not with what is sold.
    """

    __tablename__ = "stock_policies"
    __table_args__ = (
        CheckConstraint("backorder_limit >= 0", name="stock_policies_backorder_limit"),
        CheckConstraint("backordered >= 0", name="stock_policies_backordered"),
        CheckConstraint("low_stock_at >= 0", name="stock_policies_low_stock_at"),
        # Every backorder rewrites the row, as every hold does its level.
        {"postgresql_with": {"fillfactor": 50}},
    )

    sku: str = Field(sa_type=Text, primary_key=True, foreign_key="variants.sku", ondelete="CASCADE")
    backorder_limit: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs=_ZERO)
    backordered: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs=_ZERO)
    low_stock_at: int | None = Field(default=None, sa_type=BigInteger)
    version: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})


class Backorder(SQLModel, table=True):
    """What one order has asked for of one SKU, and was not there. It shrinks as goods come in, and is then gone."""

    __tablename__ = "backorders"
    __table_args__ = (
        one_of("state", ReservationState, "backorders_state"),
        CheckConstraint("quantity > 0", name="backorders_quantity"),
        CheckConstraint("state <> 'committed' OR placed_at IS NOT NULL", name="backorders_placed"),
        Index("backorders_queue", "sku", "placed_at", "order_id"),
    )

    order_id: UUID = Field(primary_key=True, foreign_key="orders.id")
    sku: str = Field(sa_type=Text, primary_key=True)
    quantity: int = Field(sa_type=BigInteger)
    state: str = Field(default=ReservationState.HELD, sa_type=Text)
    placed_at: datetime | None = optional_moment()
    created_at: datetime = moment()


class StockAlert(SQLModel, table=True):
    """The moment at which what may be sold of a SKU fell to its threshold or below; written with what made it fall.

    `notification_id` names the message that told staff of it.
    """

    __tablename__ = "stock_alerts"
    __table_args__ = (
        Index("stock_alerts_untold", "created_at", postgresql_where=text("notification_id IS NULL")),
        Index("stock_alerts_told", "notification_id", postgresql_where=text("notification_id IS NOT NULL")),
    )

    id: UUID = identifier()
    sku: str = Field(sa_type=Text, foreign_key="variants.sku", ondelete="CASCADE", index=True)
    low_stock_at: int = Field(sa_type=BigInteger)
    available: int = Field(sa_type=BigInteger)
    notification_id: UUID | None = Field(default=None, foreign_key="notifications.id", ondelete="SET NULL")
    created_at: datetime = moment()
