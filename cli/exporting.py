"""`everorder export`: this shop's books in another system's files."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer
from sqlalchemy.exc import DBAPIError

from cli.errors import CommandError
from cli.failures import cause
from cli.retail.target import database_url
from cli.shopify.currency import chosen
from db.engine import create_engine, create_sessions
from db.imports import describing
from models.inventory import DEFAULT_LOCATION
from providers.shopify.writing import ProductWriter

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def export() -> None:
    """Write the catalogue in another system's format."""


@app.command()
def shopify(
    *,
    file: Annotated[
        Path, typer.Argument(dir_okay=False, help="Where the product CSV goes; it is replaced as a whole.")
    ],
    currency: Annotated[str, typer.Option(help="Currency of the prices; the shop's, where none is named.")] = "",
    location: Annotated[str, typer.Option(help="Whose stock is told.")] = DEFAULT_LOCATION,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the stack, where it is not .everorder.")] = None,
) -> None:
    """Write every product in the columns of Shopify's product CSV, as the catalogue is at one moment."""
    url = database_url(data_dir)
    try:
        with replaced(file) as written:
            count = asyncio.run(write_products(written, url, chosen(currency, data_dir), location))
    except (DBAPIError, OSError) as error:
        raise CommandError(f"{file} was not written: {cause(error)}") from None
    typer.echo(f"{file}: {count:,} products")


@contextmanager
def replaced(file: Path) -> Iterator[TextIO]:
    """Open a file beside another, whose place it takes once it is whole."""
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as written:
            yield written
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


async def write_products(written: TextIO, url: str, currency: str, location: str) -> int:
    """Write every product of a shop into an open file, and return how many they were."""
    engine = create_engine(url, pool_size=1, application="everorder-export")
    reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    writer, count = ProductWriter(written, currency), 0
    try:
        async with create_sessions(reading)() as session:
            async for product in describing.products(session, currency=currency, location=location):
                writer.write(product)
                count += 1
    finally:
        await engine.dispose()
    return count
