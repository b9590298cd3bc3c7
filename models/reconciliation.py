"""What reconciliation has compared, put in order, and left to a person."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, text
from sqlmodel import Field, SQLModel

from domain.reconciliation import FindingKind
from models.columns import document, identifier, moment, one_of, optional_moment


class ReturnState(StrEnum):
    """How giving a payment back went. It is `started` before the provider is asked."""

    STARTED = "started"
    VOIDED = "voided"
    REFUNDED = "refunded"
    REFUSED = "refused"


class ReturnedPayment(SQLModel, table=True):
    """A payment of ours at the provider that no operation of ours stands for: given back, whatever it was for.

    It has no foreign key, since its order may be what was lost. While it is here no order takes it as its own.
    """

    __tablename__ = "returned_payments"
    __table_args__ = (
        one_of("state", ReturnState, "returned_payments_state"),
        CheckConstraint("amount >= 0", name="returned_payments_amount"),
    )

    provider: str = Field(sa_type=Text, primary_key=True)
    reference: str = Field(sa_type=Text, primary_key=True)
    order_id: UUID = Field(index=True)
    amount: int = Field(sa_type=BigInteger)
    currency: str = Field(sa_type=Text)
    state: str = Field(default=ReturnState.STARTED, sa_type=Text)
    code: str | None = Field(default=None, sa_type=Text)
    created_at: datetime = moment()
    updated_at: datetime = moment()


class FindingAction(StrEnum):
    """What reconciliation did about a finding."""

    HEALED = "healed"
    PARKED = "parked"
    """It is for a person to decide."""


class ReconciliationReport(SQLModel, table=True):
    """One round: what was compared, and the sums on both sides by currency. Without an end it is not over.

    `since` is the moment from which payments were read; none is all of them.
    """

    __tablename__ = "reconciliation_reports"
    __table_args__ = (Index("reconciliation_reports_newest", "began_at", "id"),)

    id: UUID = identifier()
    began_at: datetime = moment()
    ended_at: datetime | None = optional_moment()
    since: datetime | None = optional_moment()
    orders: int = Field(default=0, sa_type=BigInteger)
    workflows: int = Field(default=0, sa_type=BigInteger)
    payments: int = Field(default=0, sa_type=BigInteger)
    healed: int = Field(default=0, sa_type=BigInteger)
    parked: int = Field(default=0, sa_type=BigInteger)
    sums: dict[str, dict[str, int]] | None = document()


class ReconciliationFinding(SQLModel, table=True):
    """One thing that was not as it should be. One that was left to a person is kept once, until it is gone."""

    __tablename__ = "reconciliation_findings"
    __table_args__ = (
        one_of("kind", FindingKind, "reconciliation_findings_kind"),
        one_of("action", FindingAction, "reconciliation_findings_action"),
        Index(
            "reconciliation_findings_open",
            "kind",
            "subject",
            unique=True,
            postgresql_where=text("action = 'parked' AND settled_at IS NULL"),
        ),
    )

    id: UUID = identifier()
    report_id: UUID = Field(foreign_key="reconciliation_reports.id", index=True)
    kind: str = Field(sa_type=Text)
    subject: str = Field(sa_type=Text)
    action: str = Field(sa_type=Text)
    order_id: UUID | None = Field(default=None, index=True)
    reference: str | None = Field(default=None, sa_type=Text)
    amount: int | None = Field(default=None, sa_type=BigInteger)
    currency: str | None = Field(default=None, sa_type=Text)
    found_at: datetime = moment()
    seen_at: datetime = moment()
    settled_at: datetime | None = optional_moment()
