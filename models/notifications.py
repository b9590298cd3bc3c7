"""Messages to people: one row for each, so that none is sent twice and none is forgotten."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from models.columns import identifier, moment, one_of, optional_moment


class NotificationState(StrEnum):
    """Where a message stands. `sending` is a claim that runs out at `claimed_until`."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"
    DROPPED = "dropped"
    """Its order was cancelled before it was sent."""


class Notification(SQLModel, table=True):
    """One message about an order. `message_id` is the mail's Message-ID, the same at every attempt."""

    __tablename__ = "notifications"
    __table_args__ = (
        one_of("state", NotificationState, "notifications_state"),
        UniqueConstraint("order_id", "template", "channel", "n", name="notifications_once"),
    )

    id: UUID = identifier()
    order_id: UUID = Field(foreign_key="orders.id")
    template: str = Field(sa_type=Text)
    channel: str = Field(default="email", sa_type=Text)
    n: int = Field(default=1)
    state: str = Field(default=NotificationState.PENDING, sa_type=Text)
    message_id: str = Field(sa_type=Text)
    attempts: int = Field(default=0)
    code: str | None = Field(default=None, sa_type=Text)
    claimed_until: datetime | None = optional_moment()
    created_at: datetime = moment()
    sent_at: datetime | None = optional_moment()
