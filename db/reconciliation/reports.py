"""What reconciliation has found: a report a round, and what was put in order or is left to a person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.reconciliation import FindingKind
from models.columns import new_id
from models.reconciliation import FindingAction

_BEGIN = text("""
INSERT INTO reconciliation_reports (id, since, orders, workflows, payments, healed, parked)
VALUES (:id, CAST(:since AS timestamptz), 0, 0, 0, 0, 0)
""")

_END = text("""
UPDATE reconciliation_reports SET ended_at = now(), orders = :orders, workflows = :workflows, payments = :payments,
    healed = :healed, parked = :parked, sums = CAST(:sums AS jsonb)
WHERE id = :id
""")

_HEALED = text("""
INSERT INTO reconciliation_findings
    (id, report_id, kind, subject, action, order_id, reference, amount, currency, settled_at)
VALUES (:id, :report_id, :kind, :subject, 'healed', CAST(:order_id AS uuid), :reference, :amount, :currency, now())
""")

_PARKED = text("""
INSERT INTO reconciliation_findings AS f
    (id, report_id, kind, subject, action, order_id, reference, amount, currency)
VALUES (:id, :report_id, :kind, :subject, 'parked', CAST(:order_id AS uuid), :reference, :amount, :currency)
ON CONFLICT (kind, subject) WHERE action = 'parked' AND settled_at IS NULL
DO UPDATE SET seen_at = now(), report_id = excluded.report_id, amount = excluded.amount
""")

_SETTLE = text("""
UPDATE reconciliation_findings f SET settled_at = now()
FROM reconciliation_reports r
WHERE r.id = :id AND f.action = 'parked' AND f.settled_at IS NULL AND f.seen_at < r.began_at
""")

_LIST = text("""
SELECT r.id, r.began_at, r.ended_at, r.since, r.orders, r.workflows, r.payments, r.healed, r.parked, r.sums
FROM reconciliation_reports r
WHERE CAST(:at AS timestamptz) IS NULL OR (r.began_at, r.id) < (CAST(:at AS timestamptz), CAST(:id AS uuid))
ORDER BY r.began_at DESC, r.id DESC LIMIT :limit
""")

_FINDINGS = text("""
SELECT report_id, kind, action, order_id, reference, amount, currency, found_at, seen_at, settled_at
FROM reconciliation_findings
WHERE report_id = ANY(CAST(:reports AS uuid[])) OR (:open AND action = 'parked' AND settled_at IS NULL)
ORDER BY found_at DESC, id DESC LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class NewFinding:
    """One thing that was not as it should be; `amount` is in minor units of `currency`."""

    kind: FindingKind
    order_id: UUID | None
    reference: str | None = None
    amount: int | None = None
    currency: str | None = None

    @property
    def subject(self) -> str:
        """Name what it is about, so that the same thing is left to a person only once."""
        return self.reference or str(self.order_id)


@dataclass(frozen=True, slots=True)
class Counts:
    """How much was compared, and what came of it."""

    orders: int
    workflows: int
    payments: int
    healed: int
    parked: int


@dataclass(frozen=True, slots=True)
class Report:
    """One round as it is stored. `sums` are in minor units, by currency and then by whose account and what."""

    id: UUID
    began_at: datetime
    ended_at: datetime | None
    since: datetime | None
    orders: int
    workflows: int
    payments: int
    healed: int
    parked: int
    sums: Mapping[str, Mapping[str, int]] | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding as it is stored."""

    report_id: UUID
    kind: FindingKind
    action: FindingAction
    order_id: UUID | None
    reference: str | None
    amount: int | None
    currency: str | None
    found_at: datetime
    seen_at: datetime
    settled_at: datetime | None


async def begin(session: AsyncSession, since: datetime | None) -> UUID:
    """Begin a report, and return its id."""
    report_id = new_id()
    await session.execute(_BEGIN, {"id": report_id, "since": since})
    return report_id


async def add(session: AsyncSession, report_id: UUID, finding: NewFinding, action: FindingAction) -> None:
    """Note a finding. What is left to a person and was found before is seen again."""
    values = {
        "id": new_id(),
        "report_id": report_id,
        "kind": finding.kind,
        "subject": finding.subject,
        "order_id": finding.order_id,
        "reference": finding.reference,
        "amount": finding.amount,
        "currency": finding.currency,
    }
    await session.execute(_HEALED if action is FindingAction.HEALED else _PARKED, values)


async def end(session: AsyncSession, report_id: UUID, counts: Counts, sums: str, *, complete: bool) -> None:
    """End a report. A complete round settles what it has not seen any more. `sums` are JSON."""
    values = {
        "id": report_id,
        "orders": counts.orders,
        "workflows": counts.workflows,
        "payments": counts.payments,
        "healed": counts.healed,
        "parked": counts.parked,
        "sums": sums,
    }
    await session.execute(_END, values)
    if complete:
        await session.execute(_SETTLE, {"id": report_id})


async def newest(session: AsyncSession, *, limit: int, before: tuple[datetime, UUID] | None = None) -> Sequence[Report]:
    """List reports, newest first, from the one before `before` on."""
    values = {"limit": limit, "at": before[0] if before else None, "id": before[1] if before else None}
    return [Report(*row) for row in await session.execute(_LIST, values)]


async def findings(session: AsyncSession, reports: Sequence[UUID], *, limit: int, parked: bool) -> Sequence[Finding]:
    """List the findings of some reports, newest first; with `parked` also all that is still left to a person."""
    values = {"reports": list(reports), "limit": limit, "open": parked}
    return [_finding(row) for row in await session.execute(_FINDINGS, values)]


def _finding(row: Any) -> Finding:
    report_id, kind, action, *rest = row
    return Finding(report_id, FindingKind(kind), FindingAction(action), *rest)
