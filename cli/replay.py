"""`everorder replay`: a day of a retailer's invoices, placed as real orders over the REST API."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.retail import replaying
from cli.retail.day import RetailDay, survey
from cli.retail.outcome import Failure, ReplayReport
from cli.retail.placing import Placed
from cli.retail.report import as_json, print_day, print_report
from cli.retail.target import Shop, shop

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="One day, as CSV.")]
Concurrency = Annotated[int, typer.Option(min=1, max=256, help="Invoices that are under way at once.")]
ApiUrl = Annotated[str, typer.Option(envvar="EVERORDER_API_URL", help="The shop; else that of the stack here.")]
Token = Annotated[
    str,
    typer.Option(envvar="EVERORDER_SERVICE_TOKEN", help="With the scope orders:import; else that of the stack here."),
]
DataDir = Annotated[Path | None, typer.Option(help="Folder of the stack, where it is not .everorder.")]


def replay(
    file: File,
    *,
    concurrency: Concurrency = 8,
    api_url: ApiUrl = "",
    token: Token = "",
    data_dir: DataDir = None,
    as_data: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Place every invoice of a file as an order. Safe to repeat; exit status 1 where the books are not right."""
    target = shop(api_url, token, data_dir)
    day = survey(file)
    if not as_data:
        print_day(day)
    report = asyncio.run(_watched(day, target, concurrency))
    if as_data:
        typer.echo(json.dumps(as_json(report), indent=2))
    else:
        print_report(report)
    raise typer.Exit(0 if report.books_right else 1)


async def _watched(day: RetailDay, target: Shop, concurrency: int) -> ReplayReport:
    columns = (
        TextColumn("placing"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[bad]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4) as bar:
        task = bar.add_task("", total=len(day.sales_of), bad="")
        failed = 0

        def show(outcome: Placed | Failure) -> None:
            nonlocal failed
            failed += isinstance(outcome, Failure)
            bar.update(task, advance=1, bad=f"{failed} failed" if failed else "")

        return await replaying.replay(
            day, api_url=target.api_url, token=target.token, concurrency=concurrency, on_progress=show
        )
