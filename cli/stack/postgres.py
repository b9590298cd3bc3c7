"""PostgreSQL as a child of the stack, and its databases."""

import signal

import asyncpg

from cli.stack import cluster
from cli.stack.health import accepts_queries
from cli.stack.ports import HOST
from cli.stack.process import ProcessSpec
from cli.stack.wiring import DATABASE, SANDBOX_DATABASE, Wiring

_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def postgres(wiring: Wiring) -> ProcessSpec:
    """Describe the server. Its cluster must have been created."""
    folder = wiring.folder.postgres
    settings = {**_SETTINGS, "port": str(wiring.postgres)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return ProcessSpec(
        name="postgres",
        title="PostgreSQL",
        command=(str(cluster.programs() / "postgres"), "-D", str(folder), *options),
        environment=wiring.environment(),
        ready=accepts_queries(wiring.database_url("postgres")),
        stop_signal=signal.SIGINT,  # roll back what is open and end; SIGTERM would wait for every connection
        sweep=lambda: cluster.sweep(folder),
        user=cluster.system_user(),
        folder=folder,
    )


async def create_databases(wiring: Wiring) -> None:
    """Create the databases that are missing."""
    connection = await asyncpg.connect(wiring.database_url("postgres"))
    try:
        for name in (DATABASE, SANDBOX_DATABASE):
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
                await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
