"""`everorder migrate` and `everorder seed`: what a database needs before the first order."""

import asyncio

import typer

from api.signing_keys import draw
from cli.seed import seed as load_catalogue
from cli.transaction import in_transaction
from clients import schedules, search_attributes
from clients.connection import connect
from db import signing_keys
from db.migrations import upgrade
from settings import Settings, get_settings


def migrate() -> None:
    """Bring PostgreSQL and Temporal to what this release needs. Safe to run twice, and by several at once."""
    settings = get_settings()
    upgrade(settings.database_url)
    in_transaction(settings, lambda session: signing_keys.add_first(session, draw(settings.secret)))
    typer.echo("database: at the newest migration")
    asyncio.run(_register(settings))
    typer.echo("temporal: search attributes and schedules registered")


async def _register(settings: Settings) -> None:
    client = await connect(settings)
    await search_attributes.register(client)
    await schedules.register(client)


def seed() -> None:
    """Load the demo catalogue. Safe to run twice: what is there already stays as it is."""
    loaded = asyncio.run(load_catalogue(get_settings().database_url))
    typer.echo(f"catalogue: {loaded} products loaded")
