"""Messages to people: one row for each, so that none is sent twice and none is forgotten."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from models.columns import identifier, moment, one_of, optional_moment


class NotificationState(StrEnum):
    """Where a message stands. `sending` is a claim that runs out at `claimed_until`."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    REFUSED = "refused"
    DROPPED = "dropped"
    """It is owed no more: its order was cancelled, its account erased, its reader declines it, or it comes too late."""


class Notification(SQLModel, table=True):
    """One message, about an order, an account, or neither. `message_id` is the mail's Message-ID at every attempt.

    A message about an order is delivered by the order's workflow. Any other has a workflow of its own; the sweep looks
    at `sweep_at` whether that runs. One to staff is about the rows that name it. `token_id` names the one-time token
    whose secret the mail holds.
    """

    __tablename__ = "notifications"
    __table_args__ = (
        one_of("state", NotificationState, "notifications_state"),
        CheckConstraint("order_id IS NULL OR user_id IS NULL", name="notifications_of_one"),
        UniqueConstraint("order_id", "template", "channel", "n", name="notifications_once"),
        UniqueConstraint("user_id", "template", "channel", "n", name="notifications_once_a_user"),
        # Checked at the end: what is queued for nobody, so that it takes as long, is taken back before.
        ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        Index(
            "notifications_to_sweep",
            "sweep_at",
            postgresql_where=text("order_id IS NULL AND state IN ('pending', 'sending')"),
        ),
        Index("notifications_undelivered", "created_at", postgresql_where=text("state IN ('pending', 'sending')")),
    )

    id: UUID = identifier()
    order_id: UUID | None = Field(default=None, foreign_key="orders.id")
    user_id: UUID | None = Field(default=None)
    token_id: UUID | None = Field(default=None)
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
    sweep_at: datetime = moment()
