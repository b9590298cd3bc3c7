"""Bring a database to the schema of this release, and tell whether it is there."""

import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

import migrations

TRY_AGAIN = {"55P03", "40P01"}
"""SQLSTATE of a lock that was not to be had, and of a circle of sessions that wait for each other."""

_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0, 30.0)
"""Seconds until a lock that was not to be had is asked for again."""


def config(database_url: str) -> Config:
    """Configure Alembic for one database; `reached` is where migrations in batches are (`migrations/online.py`)."""
    alembic = Config()
    alembic.set_main_option("script_location", str(Path(migrations.__file__).parent))
    alembic.attributes["database_url"] = database_url
    alembic.attributes["reached"] = {}
    return alembic


def upgrade(database_url: str) -> None:
    """Apply every migration that is missing. Safe to run twice, and from several processes at once.

    One that waits for a lock of a table would have every later reader of it wait behind it: it gives up soon, and is
    tried again. One in batches goes on with the batch that gave up, and as often as it gets further.
    """
    alembic, pauses = config(database_url), iter(_PAUSES)
    while True:
        reached = dict(alembic.attributes["reached"])
        try:
            command.upgrade(alembic, "head")
        except DBAPIError as error:
            if alembic.attributes["reached"] != reached:
                pauses = iter(_PAUSES)
            pause = next(pauses, None)
            if pause is None or getattr(error.orig, "sqlstate", "") not in TRY_AGAIN:
                raise
        else:
            return
        time.sleep(pause)


def head() -> str:
    """Name the newest revision of this release."""
    revision = ScriptDirectory.from_config(config("")).get_current_head()
    return revision or ""


def known(revision: str) -> bool:
    """Tell whether a revision is one of this release's."""
    return revision in {script.revision for script in ScriptDirectory.from_config(config("")).walk_revisions()}
