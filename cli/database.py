"""`everorder migrate` and `everorder seed`: what a database needs before the first order."""

import asyncio

import typer

from cli.seed import seed as load_catalogue
from clients.search_attributes import register
from db.migrations import upgrade
from settings import get_settings


def migrate() -> None:
    """Bring PostgreSQL and Temporal to what this release needs. Safe to run twice, and by several at once."""
    settings = get_settings()
    upgrade(settings.database_url)
    typer.echo("database: at the newest migration")
    asyncio.run(register(settings.temporal_address, settings.temporal_namespace))
    typer.echo("temporal: search attributes registered")


def seed() -> None:
    """Load the demo catalogue. Safe to run twice: what is there already stays as it is."""
    loaded = asyncio.run(load_catalogue(get_settings().database_url))
    typer.echo(f"catalogue: {loaded} products loaded")
