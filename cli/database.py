"""`everorder migrate` and `everorder seed`: what a database needs before the first order."""

import asyncio

import typer
from alembic.util.exc import CommandError as AlembicError
from sqlalchemy.exc import DBAPIError
from temporalio.service import RPCError

from api.signing_keys import draw
from cli.errors import CommandError
from cli.failures import cause, database_told, sqlstate
from cli.seed import seed as load_catalogue
from cli.transaction import in_transaction
from clients import schedules, search_attributes
from clients.connection import connect
from db import signing_keys
from db.migrations import TRY_AGAIN, upgrade
from db.schema import differences, named
from settings import Settings, get_settings

_OTHERWISE = (
    "somebody has changed it by hand, or it ran migrations that were edited later; put it right,"
    " or begin with an empty one (a local stack: remove its folder .everorder, or name another --data-dir)"
)
"""How a database came to be that is not what its revision says, and what to do."""

_IN_USE = (
    "a table was in use again and again by something that takes long (an audit, a dump, a vacuum, an open transaction);"
    " wait for it or end it, and run everorder migrate again: it goes on where it was"
)
"""Why a lock was not to be had for minutes, and what to do."""

_NOT_AS_EXPECTED = {"42P01", "42703", "42704", "42P07", "42701", "42710"}
"""SQLSTATE of tables, columns and other objects that are not there, or are there already."""


def migrate() -> None:
    """Bring PostgreSQL and Temporal to what this release needs. Safe to run twice, and by several at once."""
    settings = get_settings()
    with database_told():
        _upgrade(settings.database_url)
        _compare(settings.database_url)
    in_transaction(settings, lambda session: signing_keys.add_first(session, draw(settings.secret)))
    typer.echo("database: at the newest migration")
    asyncio.run(_register(settings))
    typer.echo("temporal: search attributes and schedules registered")


def _upgrade(database_url: str) -> None:
    try:
        upgrade(database_url)
    except AlembicError as error:
        raise CommandError(f"the database is ahead of this release ({error}): run the release that it is at") from None
    except DBAPIError as error:
        if sqlstate(error) in TRY_AGAIN:
            raise CommandError(f"the database was not migrated to the end ({cause(error)}): {_IN_USE}") from None
        if sqlstate(error) not in _NOT_AS_EXPECTED:
            raise
        raise CommandError(f"the database can not be migrated ({cause(error)}): {_OTHERWISE}") from None


def _compare(database_url: str) -> None:
    found = asyncio.run(differences(database_url))
    if found:
        raise CommandError(f"the database is not what its migrations make ({named(found)}): {_OTHERWISE}")


async def _register(settings: Settings) -> None:
    address = settings.temporal_address
    try:
        client = await connect(settings)
        await search_attributes.register(client)
        await schedules.register(client)
    except RuntimeError:
        raise CommandError(f"Temporal at {address} does not answer") from None
    except RPCError as error:
        raise CommandError(f"Temporal at {address}, namespace {settings.temporal_namespace}: {error}") from None


def seed() -> None:
    """Load the demo catalogue. Safe to run twice: what is there already stays as it is."""
    with database_told():
        loaded = asyncio.run(load_catalogue(get_settings().database_url))
    typer.echo(f"catalogue: {loaded} products loaded")
