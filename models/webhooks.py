"""What payment providers have reported: each event once, and what became of it."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, Index, Text, text
from sqlmodel import Field, SQLModel

from domain.payment_events import PaymentEventType
from models.columns import moment, one_of, optional_moment


class WebhookState(StrEnum):
    """What became of an event."""

    RECEIVED = "received"
    """It is stored, and its order has not been told yet."""
    DELIVERED = "delivered"
    PARKED = "parked"
    """Nobody knows its order yet, or the order is about to find out by itself; it is looked at again."""
    IGNORED = "ignored"


class WebhookReason(StrEnum):
    """Why an event was parked or ignored."""

    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_ORDER = "unknown_order"
    ORDER_OVER = "order_over"
    KNOWN = "known"
    """The order's row says already what the event does."""
    UNDER_WAY = "under_way"
    """The order's own step that has caused it is not over yet, and will find out."""


class WebhookEvent(SQLModel, table=True):
    """One event, reduced to ids, codes and amounts; `kind` is the provider's own name for what happened."""

    __tablename__ = "webhook_events"
    __table_args__ = (
        one_of("type", PaymentEventType, "webhook_events_type"),
        one_of("state", WebhookState, "webhook_events_state"),
        one_of("reason", WebhookReason, "webhook_events_reason"),
        Index("webhook_events_left", "received_at", postgresql_where=text("state IN ('received', 'parked')")),
        Index("webhook_events_handled", "received_at", postgresql_where=text("state IN ('delivered', 'ignored')")),
    )

    provider: str = Field(sa_type=Text, primary_key=True)
    event_id: str = Field(sa_type=Text, primary_key=True)
    kind: str = Field(sa_type=Text)
    type: str | None = Field(default=None, sa_type=Text)
    reference: str | None = Field(default=None, sa_type=Text)
    order_id: UUID | None = Field(default=None, index=True)
    amount: int | None = Field(default=None, sa_type=BigInteger)
    currency: str | None = Field(default=None, sa_type=Text)
    state: str = Field(default=WebhookState.RECEIVED, sa_type=Text)
    reason: str | None = Field(default=None, sa_type=Text)
    copies: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})
    happened_at: datetime = moment()
    received_at: datetime = moment()
    looked_at: datetime | None = optional_moment()
