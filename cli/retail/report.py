"""What the commands print: a day, and what came of it, for people and as JSON."""

from dataclasses import asdict

import typer

from cli.retail.countries import HOME
from cli.retail.day import RetailDay
from cli.retail.outcome import Latency, ReplayReport
from cli.retail.rules import MEANING, SkipReason
from domain.money import Money

_MOST_LISTED = 20


def print_day(day: RetailDay) -> None:
    """Print what a file holds and what of it is skipped, with the reason."""
    sales = sum(day.sales_of.values())
    typer.echo(f"{day.path.name}: {day.lines:,} lines, {sales:,} sales on {len(day.sales_of):,} invoices")
    typer.echo(f"  sold for {_pounds(day.revenue)}")
    for reason, lines in sorted(day.skipped.items(), key=lambda item: -item[1]):
        typer.echo(f"  skipped {lines:>6,}  {MEANING[reason]}{_codes(day, reason)}")
    for country, invoices in day.unplaced.items():
        typer.echo(f"  note: {invoices:,} invoices name no country ({country!r}); {HOME} is taken")


def print_report(report: ReplayReport) -> None:
    """Print how a replay went."""
    failed = len(report.failures)
    verdict = "equal" if report.revenue == report.expected else "DIFFERENT"
    typer.echo(
        f"orders     {report.placed:,} placed, {report.already_there:,} already there, {failed:,} failed\n"
        f"revenue    {_pounds(report.revenue)}, the file says {_pounds(report.expected)}: {verdict}"
    )
    if report.placed:
        typer.echo(
            f"rate       {report.orders_per_second:.1f} orders/s in {report.seconds:.1f} s\n"
            f"checkout   {_latency(report.checkout)}\n"
            f"invoice    {_latency(report.invoice)}"
        )
    for failure in report.failures[:_MOST_LISTED]:
        typer.echo(f"  failed {failure.invoice}: {failure.reason}")
    if failed > _MOST_LISTED:
        typer.echo(f"  ... and {failed - _MOST_LISTED:,} more (all with --json)")


def as_json(report: ReplayReport) -> dict[str, object]:
    """Make a report that programs read: money in minor units, times in seconds."""
    day = report.day
    return {
        "file": day.path.name,
        "digest": day.digest,
        "lines": day.lines,
        "invoices": len(day.sales_of),
        "sales": sum(day.sales_of.values()),
        "skipped": dict(day.skipped),
        "codes_not_stock": dict(day.codes),
        "invoices_without_country": dict(day.unplaced),
        "placed": report.placed,
        "already_there": report.already_there,
        "failed": [failure._asdict() for failure in report.failures],
        "revenue": asdict(report.revenue),
        "expected_revenue": asdict(report.expected),
        "books_right": report.books_right,
        "seconds": report.seconds,
        "orders_per_second": report.orders_per_second,
        "checkout_seconds": asdict(report.checkout),
        "invoice_seconds": asdict(report.invoice),
    }


def _codes(day: RetailDay, reason: SkipReason) -> str:
    if reason is not SkipReason.NOT_STOCK:
        return ""
    return ": " + ", ".join(f"{code or '(empty)'} {lines:,}" for code, lines in day.codes.items())


def _pounds(money: Money) -> str:
    return f"{money.amount // 100:,}.{money.amount % 100:02} {money.currency}"


def _latency(latency: Latency) -> str:
    return "   ".join(f"{name} {seconds * 1000:,.0f} ms" for name, seconds in asdict(latency).items())
