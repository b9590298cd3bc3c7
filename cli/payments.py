"""`everorder payments`: reconciliation now, and what the last rounds have found."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.errors import CommandError
from cli.failures import database_told
from clients.chores import ChoreClient
from clients.connection import connect
from contracts.schedules import RECONCILIATION, WHOLE_RECONCILIATION, Chore
from db.engine import Sessions, create_engine, create_sessions
from db.reconciliation import reports
from db.reconciliation.reports import Finding, Report
from settings import Settings, get_settings

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

_MOST_FINDINGS = 50


@app.callback()
def payments() -> None:
    """Compare the books with the payment provider and with the workflows."""


@app.command()
def reconcile(
    whole: Annotated[bool, typer.Option("--all", help="Every payment, rather than those of the last days.")] = False,
    wait: Annotated[float, typer.Option(min=1, help="Seconds to wait for the end of the round.")] = 600,
) -> None:
    """Run a round now, wait for its end and print its report. Exit status 1 when something is left to a person."""
    report, found = asyncio.run(_reconciled(get_settings(), WHOLE_RECONCILIATION if whole else RECONCILIATION, wait))
    print_report(report, found, Console())
    raise typer.Exit(1 if any(one.action == "parked" for one in found) else 0)


async def _reconciled(settings: Settings, chore: Chore, wait: float) -> tuple[Report, list[Finding]]:
    chores = ChoreClient(await connect(settings, lazy=True))
    try:
        async with asyncio.timeout(wait):
            await (await chores.begin(chore)).result()
    except TimeoutError:
        raise CommandError("the round is not over yet: is a worker of the queue maintenance at work?") from None
    engine = create_engine(settings.database_url, pool_size=1, application="everorder-payments")
    try:
        with database_told():
            newest = await newest_report(create_sessions(engine))
    finally:
        await engine.dispose()
    if newest is None:
        raise CommandError("there is no report")
    return newest


async def newest_report(sessions: Sessions) -> tuple[Report, list[Finding]] | None:
    """Return the newest report with its findings and with all that is still left to a person; None: there is none."""
    async with sessions.begin() as session:
        newest = await reports.newest(session, limit=1)
        if not newest:
            return None
        found = await reports.findings(session, [newest[0].id], limit=_MOST_FINDINGS, parked=True)
        return newest[0], list(found)


def print_report(report: Report, found: list[Finding], console: Console) -> None:
    """Print what was compared, the sums of both sides, and what was found."""
    compared = f"{report.orders:,} orders, {report.workflows:,} workflows, {report.payments:,} payments"
    ended = "" if report.ended_at else " (not over)"
    console.print(f"Reconciliation of {report.began_at:%Y-%m-%d %H:%M:%S} UTC{ended}: {compared} compared, ", end="")
    console.print(f"{report.healed:,} put in order, {report.parked:,} left to a person")
    for currency, sums in (report.sums or {}).items():
        console.print(
            f"  {currency}  " + "  ".join(f"{name}={amount}" for name, amount in sums.items()), soft_wrap=True
        )
    if found:
        console.print(_table(found))


def _table(found: list[Finding]) -> Table:
    table = Table("found", "what", "", "order", "payment", "amount")
    for one in found:
        amount = "" if one.amount is None else f"{one.amount} {one.currency}"
        table.add_row(
            f"{one.found_at:%Y-%m-%d %H:%M:%S}", one.kind, one.action, str(one.order_id or ""), one.reference, amount
        )
    return table
