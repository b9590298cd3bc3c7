"""A PostgreSQL of the benchmark's own, with the settings of the embedded stack, on a socket in its folder."""

import asyncio
import secrets
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from benchmarks.catalogue.goods import fill
from benchmarks.processes import ending, until_ready
from cli.stack import cluster
from cli.stack.health import accepts_queries
from cli.stack.process import switch_to
from db import migrations

_OWNER = "everorder"
_STARTS_WITHIN = 30.0
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "max_wal_size": "4GB",
    "maintenance_work_mem": "256MB",
    "timezone": "UTC",
}

SHARED_BUFFERS = "1GB"
"""The memory for pages that a shop of a million products wants (docs/catalogue.md); an embedded stack has 128 MB."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs; its databases are named by the size of their shop."""

    folder: Path
    password: str

    def url(self, database: str) -> str:
        """Address a database."""
        return f"postgresql://{_OWNER}:{self.password}@/{database}?host={self.folder}"

    async def shop(self, products: int, tell: Tell) -> str:
        """Return the address of a database with this many products; one that was filled before is used again."""
        name = f"catalogue_{products}"
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                unfinished = f"{name}_unfinished"
                await connection.execute(f'DROP DATABASE IF EXISTS "{unfinished}"')
                await connection.execute(f'CREATE DATABASE "{unfinished}"')
                await asyncio.to_thread(migrations.upgrade, self.url(unfinished))
                await fill(self.url(unfinished), products, tell)
                await connection.execute(f'ALTER DATABASE "{unfinished}" RENAME TO "{name}"')
        finally:
            await connection.close()
        return self.url(name)


@asynccontextmanager
async def running(folder: Path, shared_buffers: str = SHARED_BUFFERS) -> AsyncIterator[Server]:
    """Run a server on the cluster in a folder, which is created unless it is there.

    Raises:
        BenchError: it does not start.
    """
    server = Server(folder / "postgres", _password(folder))
    await asyncio.to_thread(cluster.create, server.folder, _OWNER, server.password)
    process = await _started(server, shared_buffers)
    async with ending(process, signal.SIGINT):
        ready = accepts_queries(server.url("postgres"))
        await until_ready(process, ready, "PostgreSQL", within=_STARTS_WITHIN)
        yield server


def _password(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "password"
    if not kept.exists():
        kept.write_text(secrets.token_urlsafe(16))
    return kept.read_text()


async def _started(server: Server, shared_buffers: str) -> Process:
    settings = {**_SETTINGS, "shared_buffers": shared_buffers, "unix_socket_directories": str(server.folder)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    program = str(cluster.programs() / "postgres")
    return await asyncio.create_subprocess_exec(
        *(program, "-D", str(server.folder), *options),
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=DEVNULL,
        cwd=server.folder,
        **switch_to(cluster.system_user()),
    )
