"""Reports of reconciliation, as staff see them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.schemas.fields import Input, Output
from api.schemas.money import Money
from db.reconciliation.reports import Finding, Report
from domain.reconciliation import FindingKind
from models.reconciliation import FindingAction


class Sums(Output):
    """What was taken and given back in one currency, in minor units: by the provider's account, and by the books."""

    provider_captured: int = 0
    provider_refunded: int = 0
    books_captured: int = 0
    books_refunded: int = 0


class ReconciliationFinding(Output):
    """One thing that was not as it should be: put in order (`healed`), or left to a person (`parked`)."""

    kind: FindingKind
    action: FindingAction
    order_id: UUID | None
    reference: str | None = Field(description="The provider's id of the payment.")
    amount: Money | None
    found_at: datetime
    seen_at: datetime
    settled_at: datetime | None

    @classmethod
    def of(cls, found: Finding) -> "ReconciliationFinding":
        """Show a finding."""
        amount = (
            None
            if found.amount is None or found.currency is None
            else Money(amount=found.amount, currency=found.currency)
        )
        return cls(
            kind=found.kind,
            action=found.action,
            order_id=found.order_id,
            reference=found.reference,
            amount=amount,
            found_at=found.found_at,
            seen_at=found.seen_at,
            settled_at=found.settled_at,
        )


class Reconciliation(Output):
    """One round. Without an `ended_at` it is under way, or was cut off."""

    id: UUID
    began_at: datetime
    ended_at: datetime | None
    since: datetime | None = Field(description="Payments made since then were compared; none: every payment.")
    orders: int
    workflows: int
    payments: int
    healed: int
    parked: int
    sums: Mapping[str, Sums]
    findings: list[ReconciliationFinding] = Field(description="The newest; a thousand on a page at most.")

    @classmethod
    def of(cls, report: Report, findings: Sequence[Finding]) -> "Reconciliation":
        """Show a report with those of the findings that are its own."""
        return cls(
            id=report.id,
            began_at=report.began_at,
            ended_at=report.ended_at,
            since=report.since,
            orders=report.orders,
            workflows=report.workflows,
            payments=report.payments,
            healed=report.healed,
            parked=report.parked,
            sums={currency: Sums(**sums) for currency, sums in (report.sums or {}).items()},
            findings=[ReconciliationFinding.of(one) for one in findings if one.report_id == report.id],
        )


class NewReconciliation(Input):
    """What to compare."""

    whole: bool = Field(default=False, description="Every payment, rather than those of the last days.")


class BegunReconciliation(Output):
    """A round has begun; its report is the newest when it has ended."""

    chore: str
