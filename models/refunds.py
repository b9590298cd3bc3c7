"""Refunds: what is given back to a buyer while the order stands."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from domain.refunds import RefundStatus
from models.columns import identifier, moment, one_of


class Refund(SQLModel, table=True):
    """One refund. It is carried out by payment operations, one for each of the provider's payments that it touches."""

    __tablename__ = "refunds"
    __table_args__ = (
        one_of("state", RefundStatus, "refunds_state"),
        CheckConstraint("amount > 0", name="refunds_amount"),
        UniqueConstraint("order_id", "n", name="refunds_number"),
        Index("refunds_under_way", "order_id", postgresql_where=text("state = 'started'")),
    )

    id: UUID = identifier()
    order_id: UUID = Field(foreign_key="orders.id")
    n: int
    amount: int = Field(sa_type=BigInteger)
    currency: str = Field(sa_type=Text)
    state: str = Field(default=RefundStatus.STARTED, sa_type=Text)
    reason: str = Field(sa_type=Text)
    note_id: UUID | None = Field(default=None, foreign_key="order_notes.id")
    actor: str = Field(sa_type=Text)
    code: str | None = Field(default=None, sa_type=Text)
    created_at: datetime = moment()
    updated_at: datetime = moment()
