"""One audit, from the snapshot to the report."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from activities.ports import Ledger
from cli.audit import workflows
from cli.audit.report import AuditReport, InvariantReport
from clients.orders import OrderClient
from db.audit import INVARIANTS, ledger
from db.audit.checks import Finding, count, examine
from db.audit.limits import Limits, parameters
from db.audit.payments import MONEY_AGREES
from db.audit.snapshot import snapshot
from db.audit.workflows import ALL_ALIVE
from db.engine import Sessions

USUAL = Limits()
PATIENCE = timedelta(seconds=60)

_Findings = dict[str, tuple[Finding, ...]]


async def audit(
    sessions: Sessions,
    *,
    settled: bool = False,
    provider: Ledger | None = None,
    orders_client: OrderClient | None = None,
    recheck: timedelta = PATIENCE,
    limits: Limits = USUAL,
) -> AuditReport:
    """Check every invariant, all that PostgreSQL knows in one snapshot.

    Not settled, it may be asked at any time: a healthy shop is clean while orders come in. Settled, nothing may be
    under way any more, and the provider's ledger and Temporal's workflows are compared too, as far as they are given;
    a workflow that seems to be missing or too many is looked up again until `recheck` is over.

    Raises:
        ProviderUnavailableError, TemporarilyUnavailableError: a peer that has to be asked is away.
    """
    at = datetime.now(UTC)
    # The peers are asked first, so that the snapshot never waits for them.
    accounts = await ledger.read(provider.ledger()) if settled and provider else None
    running = [order_id async for order_id in orders_client.running()] if settled and orders_client else None
    async with snapshot(sessions) as session:
        findings = await _in_database(session, parameters(limits, settled=settled))
        if accounts is not None:
            findings[MONEY_AGREES.id] += await ledger.compare(session, accounts)
        suspects = None if running is None else await workflows.compare(session, running)
    if suspects and orders_client:
        findings[ALL_ALIVE.id] = await workflows.look_again(sessions, orders_client, suspects, recheck)
    reports = [InvariantReport.of(one, findings[one.id]) for one in INVARIANTS if one.id in findings]
    return AuditReport(at, settled, tuple(reports))


async def _in_database(session: AsyncSession, values: Mapping[str, object]) -> _Findings:
    counts = await count(session)
    return {
        invariant.id: await examine(session, invariant.checks, values, counts)
        for invariant in INVARIANTS
        if invariant.checks
    }
