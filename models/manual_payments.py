"""The shop's own book of payments that people confirm: transfers to its bank, and cash at the door."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from domain.payment_methods import PaymentWay
from models.columns import identifier, moment, one_of, optional_moment


class ManualPaymentState(StrEnum):
    """What has become of a payment."""

    PREPARED = "prepared"
    AWAITED = "awaited"
    """The buyer knows where to transfer the money."""
    PROMISED = "promised"
    """The buyer pays when the goods are handed over."""
    RECEIVED = "received"
    """The money is here."""
    CANCELLED = "cancelled"
    LATE = "late"
    """The money has come after the payment was given up: all of it is owed to the buyer."""


class ManualRefundState(StrEnum):
    """What has become of money that is to be given back by hand."""

    OWED = "owed"
    PAID = "paid"


class ManualPayment(SQLModel, table=True):
    """One payment. `reference` is what the buyer writes on a transfer (ISO 11649).

    `receipt` names the money in the bank's or the driver's books, so that it pays for one order only.
    """

    __tablename__ = "manual_payments"
    __table_args__ = (
        one_of("way", PaymentWay, "manual_payments_way"),
        one_of("state", ManualPaymentState, "manual_payments_state"),
        CheckConstraint("amount > 0", name="manual_payments_amount"),
        UniqueConstraint("key", name="manual_payments_key"),
        UniqueConstraint("receipt", name="manual_payments_receipt"),
        Index("manual_payments_newest", "created_at", "reference"),
    )

    reference: str = Field(sa_type=Text, primary_key=True)
    key: str = Field(sa_type=Text)
    order_id: UUID = Field(foreign_key="orders.id", index=True)
    way: str | None = Field(default=None, sa_type=Text)
    amount: int = Field(sa_type=BigInteger)
    currency: str = Field(sa_type=Text)
    state: str = Field(default=ManualPaymentState.PREPARED, sa_type=Text)
    awaited_until: datetime | None = optional_moment()
    receipt: str | None = Field(default=None, sa_type=Text)
    actor: str | None = Field(default=None, sa_type=Text)
    """Who has confirmed it."""
    received_at: datetime | None = optional_moment()
    created_at: datetime = moment()


class ManualRefund(SQLModel, table=True):
    """Money that is owed to a buyer until somebody has paid it back. `key` is the operation's; none: it came late."""

    __tablename__ = "manual_refunds"
    __table_args__ = (
        one_of("state", ManualRefundState, "manual_refunds_state"),
        CheckConstraint("amount > 0", name="manual_refunds_amount"),
        CheckConstraint("(state = 'paid') = (receipt IS NOT NULL)", name="manual_refunds_paid"),
        UniqueConstraint("key", name="manual_refunds_key"),
        UniqueConstraint("receipt", name="manual_refunds_receipt"),
        Index("manual_refunds_owed", "created_at", "id", postgresql_where=text("state = 'owed'")),
    )

    id: UUID = identifier()
    payment: str = Field(sa_type=Text, foreign_key="manual_payments.reference", index=True)
    order_id: UUID = Field(foreign_key="orders.id", index=True)
    key: str | None = Field(default=None, sa_type=Text)
    amount: int = Field(sa_type=BigInteger)
    currency: str = Field(sa_type=Text)
    state: str = Field(default=ManualRefundState.OWED, sa_type=Text)
    receipt: str | None = Field(default=None, sa_type=Text)
    actor: str | None = Field(default=None, sa_type=Text)
    paid_at: datetime | None = optional_moment()
    created_at: datetime = moment()
