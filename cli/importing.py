"""`everorder import`: other people's books into this shop."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import DBAPIError

from cli.errors import CommandError
from cli.failures import cause
from cli.retail.day import survey
from cli.retail.importing import ImportReport, import_day
from cli.retail.report import print_day
from cli.retail.target import database_url
from cli.shopify.currency import chosen
from cli.shopify.importing import ImportOptions, import_file
from cli.shopify.importing import ImportReport as FileReport
from cli.shopify.report import ProgressBar, as_json, refused_lines, tell
from models.inventory import DEFAULT_LOCATION

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="One day, as CSV.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder of the stack, where it is not .everorder.")]


@app.callback()
def import_() -> None:
    """Make catalogue and stock out of another system's files."""


@app.command()
def retail(file: File, data_dir: DataDir = None) -> None:
    """Make catalogue and stock out of a day of a retailer's invoices. Safe to run twice."""
    day = survey(file)
    print_day(day)
    typer.echo("writing products and stock ...")
    try:
        report = asyncio.run(import_day(day, database_url(data_dir)))
    except (DBAPIError, OSError) as error:
        msg = f"the database does not take it, nothing was changed: {cause(error)}"
        raise CommandError(msg) from None
    typer.echo(_told(report))


@app.command()
def shopify(
    *,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="Shopify's product CSV.")],
    currency: Annotated[str, typer.Option(help="Currency of the prices; the shop's, where none is named.")] = "",
    location: Annotated[str, typer.Option(help="Where the stock of new articles is received.")] = DEFAULT_LOCATION,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be done, and change nothing.")] = False,
    skip_refused: Annotated[
        bool, typer.Option("--skip-refused", help="Leave products out that can not be taken, and import the others.")
    ] = False,
    as_json_: Annotated[bool, typer.Option("--json", help="Print what came of it as JSON.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Make products out of Shopify's product CSV, all or none. Safe to run twice: what is the same is not touched."""
    database = database_url(data_dir)
    options = ImportOptions(chosen(currency, data_dir), location, skip_refused, dry_run)
    try:
        with ProgressBar() as bar:
            report = asyncio.run(import_file(file, database, options, bar))
    except (DBAPIError, OSError) as error:
        msg = f"the database does not take it, nothing was changed: {cause(error)}"
        raise CommandError(msg) from None
    if as_json_:
        typer.echo(as_json(file, report, dry_run=dry_run))
    else:
        tell(file, report, dry_run=dry_run)
    _require_done(file, report)


def _require_done(file: Path, report: FileReport) -> None:
    if report.counts is None:
        raise CommandError("\n  ".join([f"{file} is refused, nothing was changed", *refused_lines(report)]))


def _told(report: ImportReport) -> str:
    if report.new_products or report.received_units:
        return f"imported: {report.new_products} new products of {report.skus}, {report.received_units} units received"
    return f"nothing to do: all {report.skus} products and {report.units} units were imported before"
