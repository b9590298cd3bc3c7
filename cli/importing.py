"""`everorder import`: other people's books into this shop."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import DBAPIError

from cli.errors import CommandError
from cli.retail.day import survey
from cli.retail.importing import ImportReport, import_day
from cli.retail.report import print_day
from cli.retail.target import database_url

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
        msg = f"the database does not take it, nothing was changed: {_cause(error)}"
        raise CommandError(msg) from None
    typer.echo(_told(report))


def _told(report: ImportReport) -> str:
    if report.new_products or report.received_units:
        return f"imported: {report.new_products} new products of {report.skus}, {report.received_units} units received"
    return f"nothing to do: all {report.skus} products and {report.units} units were imported before"


def _cause(error: DBAPIError | OSError) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(cause).partition("\n")[0]
