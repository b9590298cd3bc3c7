"""`everorder migrate` and `everorder doctor` on databases that are not what they should be: one line each."""

import asyncio
from collections.abc import Callable, Iterator

import asyncpg
import pytest

from cli import doctor
from cli.database import migrate, seed
from cli.errors import CommandError
from db import migrations
from db.migrations import head
from settings import get_settings
from tests.support.postgres import PostgresForTests

At = Callable[[str], None]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Iterator[At]:
    """Have commands go to a database, and to a Temporal that is not there."""

    def go(database: str) -> None:
        monkeypatch.setenv("DATABASE_URL", database)
        get_settings.cache_clear()

    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    yield go
    get_settings.cache_clear()


def refused(command: Callable[[], None]) -> str:
    with pytest.raises(CommandError) as refusal:
        command()
    return str(refusal.value)


def change(database: str, statement: str) -> None:
    async def done() -> None:
        connection = await asyncpg.connect(database)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(done())


def postgresql() -> doctor.Finding:
    return next(finding for finding in asyncio.run(doctor.examine()) if finding.name == "postgresql")


def test_database_that_is_away_is_one_line(at: At) -> None:
    at("postgresql://nobody@127.0.0.1:1/none")
    for command in (migrate, seed):
        assert refused(command).startswith("the database does not answer: ")


def test_database_that_was_never_migrated_is_told_how(at: At, postgres: PostgresForTests) -> None:
    at(postgres.empty())
    assert refused(seed) == (
        'the database is not as this release needs it (relation "categories" does not exist): run everorder migrate'
    )
    assert postgresql() == doctor.Finding(
        "postgresql", ok=False, found=f"schema is at nothing, not {head()}", advice="run: everorder migrate"
    )


def test_temporal_that_is_away_is_told_when_the_database_is_migrated(
    at: At, postgres: PostgresForTests, capsys: pytest.CaptureFixture[str]
) -> None:
    at(postgres.migrated())
    assert refused(migrate) == "Temporal at 127.0.0.1:1 does not answer"
    assert capsys.readouterr().out == "database: at the newest migration\n"
    assert postgresql().found == f"version 18, schema {head()}"


def test_database_of_a_later_release_is_left_alone(at: At, postgres: PostgresForTests) -> None:
    at(database := postgres.migrated())
    change(database, "UPDATE alembic_version SET version_num = '9999'")
    assert refused(migrate) == (
        "the database is ahead of this release (Can't locate revision identified by '9999'):"
        " run the release that it is at"
    )
    assert postgresql().advice == "run the release that it is at: this one does not know its schema"


def test_database_that_ran_migrations_which_were_edited_later_is_told_so(at: At, postgres: PostgresForTests) -> None:
    at(database := postgres.migrated())
    change(database, "ALTER TABLE orders DROP COLUMN reason")
    assert refused(migrate).startswith(
        "the database is not what its migrations make (column orders.reason is missing): somebody has changed it"
    )
    found = postgresql()
    assert (found.ok, found.found) == (
        False,
        f"schema is at {head()}, but is not what its migrations make: column orders.reason is missing",
    )


def test_database_in_which_we_may_change_nothing_says_so(at: At, postgres: PostgresForTests) -> None:
    database = postgres.empty()
    change(database, "DROP ROLE IF EXISTS visitor")
    change(database, "CREATE ROLE visitor LOGIN")
    at(database.replace("postgres:@", "visitor:@"))
    assert refused(migrate) == "the database refuses: permission denied for schema public"


def test_database_in_which_a_migration_meets_what_it_makes_is_told_so(at: At, postgres: PostgresForTests) -> None:
    at(database := postgres.migrated())
    change(database, "UPDATE alembic_version SET version_num = '0013'")
    assert refused(migrate).startswith(
        'the database can not be migrated (column "merged_into" of relation "carts" already exists): somebody has'
    )


def test_database_that_is_in_use_for_minutes_is_told_so_and_stays_where_it_is(
    at: At, postgres: PostgresForTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_PAUSES", (0.01,))
    at(database := postgres.migrated())
    change(database, "UPDATE alembic_version SET version_num = '0018'")
    with asyncio.Runner() as somebody:
        connection = somebody.run(asyncpg.connect(database))
        somebody.run(connection.execute("BEGIN; SELECT FROM reconciliation_findings"))
        assert refused(migrate).startswith(
            "the database was not migrated to the end (canceling statement due to lock timeout): a table was in use"
        )
        assert somebody.run(connection.fetchval("SELECT version_num FROM alembic_version")) == "0018"
        somebody.run(connection.close())
