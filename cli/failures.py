"""What a server would not do, as one line for the person at the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from cli.errors import CommandError

_UNKNOWN_HERE = {"42P01", "42703"}
"""SQLSTATE of a table and of a column that is not there."""


@contextmanager
def database_told() -> Iterator[None]:
    """Do something with the database.

    Raises:
        CommandError: it could not be reached, or would not do it, and why.
    """
    try:
        yield
    except (DBAPIError, OSError) as error:
        raise CommandError(_sentence(error)) from None


def cause(error: DBAPIError | OSError) -> str:
    """Return the first line of what a database or the system says, without the statement."""
    said = error.orig if isinstance(error, DBAPIError) else error
    return str(said).partition("\n")[0]


def sqlstate(error: DBAPIError | OSError) -> str:
    """Return PostgreSQL's code of an error; empty where it has none."""
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")


def _sentence(error: DBAPIError | OSError) -> str:
    if isinstance(error, OSError):
        return f"the database does not answer: {cause(error)}"
    if sqlstate(error) in _UNKNOWN_HERE:
        return f"the database is not as this release needs it ({cause(error)}): run everorder migrate"
    return f"the database refuses: {cause(error)}"
