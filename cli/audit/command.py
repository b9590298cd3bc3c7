"""`everorder audit`: are the promises kept."""

import asyncio
import json
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console

from cli import payments
from cli.audit.auditing import PATIENCE
from cli.audit.auditing import audit as make_audit
from cli.audit.report import AuditReport, as_json, print_report
from cli.errors import CommandError
from cli.failures import database_told
from clients.connection import connect
from clients.orders import OrderClient
from db.audit.limits import Limits
from db.engine import Sessions, create_engine, create_sessions
from db.reconciliation.reports import Finding, Report
from domain.provider_payments import ProviderRefusedError, ProviderUnavailableError
from settings import Settings, get_settings
from workers.providers import open_providers

Reconciled = tuple[Report, list[Finding]]


def audit(
    settled: Annotated[
        bool, typer.Option("--settled", help="Also ask Temporal and the payment provider, and expect a system at rest.")
    ] = False,
    as_json_: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    recheck: Annotated[
        float, typer.Option(min=0, help="Seconds in which a workflow that seems to be missing may still turn up.")
    ] = PATIENCE.total_seconds(),
) -> None:
    """Check every invariant and show the rows that break one. Exit status 1 when an invariant is broken."""
    report, reconciled = asyncio.run(_audited(get_settings(), timedelta(seconds=recheck), settled=settled))
    if as_json_:
        typer.echo(json.dumps(as_json(report) | {"reconciliation": _reconciliation(reconciled)}, indent=2))
    else:
        print_report(report, Console())
        if reconciled is not None:
            payments.print_report(*reconciled, Console())
    raise typer.Exit(0 if report.ok else 1)


async def _audited(settings: Settings, recheck: timedelta, *, settled: bool) -> tuple[AuditReport, Reconciled | None]:
    engine = create_engine(settings.database_url, pool_size=1, application="everorder-audit", patient=True)
    sessions = create_sessions(engine)
    limits = Limits.holding(settings.hold)
    try:
        with database_told():
            audited = _settled(settings, sessions, limits, recheck) if settled else make_audit(sessions, limits=limits)
            return await audited, await payments.newest_report(sessions)
    finally:
        await engine.dispose()


async def _settled(settings: Settings, sessions: Sessions, limits: Limits, recheck: timedelta) -> AuditReport:
    try:
        client = await connect(settings)
    except RuntimeError:
        raise CommandError(f"Temporal at {settings.temporal_address} does not answer") from None
    try:
        async with open_providers(settings, sessions) as providers:
            return await make_audit(
                sessions,
                settled=True,
                provider=providers,
                orders_client=OrderClient(client),
                recheck=recheck,
                limits=limits,
            )
    except (ProviderUnavailableError, ProviderRefusedError) as error:
        raise CommandError(f"the payment provider does not show its ledger: {error}") from None


def _reconciliation(newest: Reconciled | None) -> dict[str, object] | None:
    """Write the newest report of reconciliation, and how much is still left to a person."""
    if newest is None:
        return None
    report, found = newest
    return {
        "began_at": report.began_at.isoformat(timespec="seconds"),
        "ended_at": report.ended_at and report.ended_at.isoformat(timespec="seconds"),
        "healed": report.healed,
        "parked": report.parked,
        "sums": report.sums,
        "findings": [{"kind": one.kind, "action": one.action, "order_id": str(one.order_id)} for one in found],
    }
