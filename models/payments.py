"""Payment operations: each is written before its provider is called, and finished with what the provider said."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, text
from sqlmodel import Field, SQLModel

from models.columns import moment, one_of, optional_moment


class PaymentOperationKind(StrEnum):
    """What is asked of the provider."""

    AUTHORISE = "authorise"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


class PaymentOperationState(StrEnum):
    """How it went. `action_required` waits for the buyer, `abandoned` is the tombstone that a late call finds."""

    STARTED = "started"
    ACTION_REQUIRED = "action_required"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    ABANDONED = "abandoned"


class PaymentOperation(SQLModel, table=True):
    """One operation, named by its key `<order_id>:<operation>:<n>`."""

    __tablename__ = "payment_operations"
    __table_args__ = (
        one_of("operation", PaymentOperationKind, "payment_operations_operation"),
        one_of("state", PaymentOperationState, "payment_operations_state"),
        CheckConstraint("amount >= 0", name="payment_operations_amount"),
        CheckConstraint(
            "client_secret IS NULL OR state = 'action_required'", name="payment_operations_secret_is_short_lived"
        ),
        Index("payment_operations_keeping", "key", postgresql_where=text("keeps_method")),
        Index("payment_operations_started", "created_at", postgresql_where=text("state = 'started'")),
    )

    key: str = Field(sa_type=Text, primary_key=True)
    order_id: UUID = Field(foreign_key="orders.id", index=True)
    operation: str = Field(sa_type=Text)
    attempt: int
    """The authorisation that it belongs to."""
    n: int
    """Which of its kind it is: the last part of its key."""
    amount: int = Field(sa_type=BigInteger)
    currency: str = Field(sa_type=Text)
    provider: str = Field(sa_type=Text)
    provider_reference: str | None = Field(default=None, sa_type=Text, index=True)
    state: str = Field(default=PaymentOperationState.STARTED, sa_type=Text)
    code: str | None = Field(default=None, sa_type=Text)
    client_secret: str | None = Field(default=None, sa_type=Text)
    """What the buyer's browser needs to act; only while it has to."""
    refund_id: UUID | None = Field(default=None, foreign_key="refunds.id", index=True)
    authorised_until: datetime | None = optional_moment()
    keeps_method: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    """Its method was left with the provider, and nobody has had it forgotten yet."""
    created_at: datetime = moment()
    updated_at: datetime = moment()
