"""Compare a database with the models: is it what the migrations of this release make?"""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Connection
from sqlalchemy.exc import SAWarning
from sqlmodel import SQLModel

import models  # noqa: F401 - importing the package is what fills the metadata
from db.engine import create_engine

_VERBS = {"add": "is missing", "remove": "is not known", "modify": "is another"}
_MOST_NAMED = 3


async def differences(database_url: str) -> tuple[str, ...]:
    """Tell in a few words each what a migrated database lacks, or has otherwise, than the models say.

    What somebody has added and is in nobody's way (tables, indices, columns that may be left out) is no difference.
    Triggers, functions and CHECKs are not compared.
    """
    engine = create_engine(database_url, pool_size=1, application="everorder-schema", patient=True)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_compared)
    finally:
        await engine.dispose()


def named(differences: tuple[str, ...]) -> str:
    """Name the first of many differences."""
    more = len(differences) - _MOST_NAMED
    return "; ".join(differences[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _compared(connection: Connection) -> tuple[str, ...]:
    options = {"compare_server_default": False, "include_object": _matters}
    context = MigrationContext.configure(connection, opts=options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # which SQLAlchemy has for each CHECK that is NOT VALID
        changes = compare_metadata(context, SQLModel.metadata)
    return tuple(_told(change) for change in _flat(changes))


def _matters(found: Any, _name: str | None, kind: str, reflected: bool, twin: object) -> bool:
    """Leave out what only the database has and what our own statements never meet."""
    if not reflected or twin is not None:
        return True
    if isinstance(found, Column):
        return not found.nullable and found.server_default is None
    return kind not in {"table", "index"}


def _flat(changes: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """List changes one by one: Alembic keeps those of one column in a list of their own."""
    for change in changes:
        yield from change if isinstance(change, list) else [change]


def _told(change: tuple[Any, ...]) -> str:
    """Say what one change of Alembic's means, e.g. `("add_column", None, "orders", <Column "note">)`."""
    action, _, kind = change[0].partition("_")
    verb = _VERBS[action]
    if kind == "table":
        return f"table {change[1].name} {verb}"
    if kind == "column":
        return f"column {change[2]}.{change[3].name} {verb}"
    if action == "modify":
        return f"column {change[2]}.{change[3]} {verb}"
    name = change[1].name or ", ".join(change[1].columns.keys())
    return f"{kind.replace('fk', 'foreign key')} {name} of {change[1].table.name} {verb}"
