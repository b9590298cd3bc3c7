"""Returns: which goods come back from a buyer, and what came of it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from domain.returns import ReturnStatus
from models.columns import identifier, moment, one_of, optional_moment

_ZERO = {"server_default": text("0")}


class Return(SQLModel, table=True):
    """Goods that come back together. Its refund bears its id; `refund_amount` is 0 where nothing is given back.

    `note_id` is why, in the words of who asked; `ended_note_id` why it was cancelled.
    """

    __tablename__ = "returns"
    __table_args__ = (
        one_of("state", ReturnStatus, "returns_state"),
        CheckConstraint("refund_amount >= 0", name="returns_refund"),
        CheckConstraint("(state = 'requested') = (ended_at IS NULL)", name="returns_ended"),
        UniqueConstraint("order_id", "n", name="returns_number"),
        Index("returns_awaited", "created_at", "id", postgresql_where=text("state = 'requested'")),
    )

    id: UUID = identifier()
    order_id: UUID = Field(foreign_key="orders.id")
    n: int
    state: str = Field(default=ReturnStatus.REQUESTED, sa_type=Text)
    note_id: UUID | None = Field(default=None, foreign_key="order_notes.id")
    refund_amount: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs=_ZERO)
    actor: str = Field(sa_type=Text)
    ended_by: str | None = Field(default=None, sa_type=Text)
    ended_note_id: UUID | None = Field(default=None, foreign_key="order_notes.id")
    created_at: datetime = moment()
    ended_at: datetime | None = optional_moment()


class ReturnLine(SQLModel, table=True):
    """How many of an order's line a return is about, how many of them arrived, and how many can be sold again.

    `order_lines.returned_quantity` bounds the sum of what is on its way and what arrived.
    """

    __tablename__ = "return_lines"
    __table_args__ = (
        CheckConstraint(
            "0 <= restocked_quantity AND restocked_quantity <= received_quantity AND received_quantity <= quantity"
            " AND quantity > 0",
            name="return_lines_quantities",
        ),
    )

    return_id: UUID = Field(primary_key=True, foreign_key="returns.id")
    line_id: UUID = Field(primary_key=True, foreign_key="order_lines.line_id")
    quantity: int = Field(sa_type=BigInteger)
    received_quantity: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs=_ZERO)
    restocked_quantity: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs=_ZERO)
