"""The sandbox's process."""

import asyncio
import sys

import asyncpg
import uvicorn
import uvloop
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.app import build
from sandbox.clock import Clock
from sandbox.database import UNREACHABLE, open_pool
from sandbox.faults import Faults
from sandbox.gateway import DROP
from sandbox.store import Store
from sandbox.webhooks import Courier, EndpointOrder


class DroppableProtocol(HttpToolsProtocol):
    """HTTP that lets a request cut its own connection: ASGI has no way to say that."""

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self.scope["extensions"] = {DROP: {"cut": self.transport.abort}}


def serve(
    *,
    database_url: str,
    host: str,
    port: int,
    webhook_url: str = "",
    webhook_secret: str = "",
    webhook_events: list[str] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. Database and tables are made when they are missing.

    Waits up to 30 seconds for PostgreSQL, then exits with 1 and one line. With `webhook_url`, events go there, signed
    with `webhook_secret`: all of them, or those of the types in `webhook_events`.
    """
    endpoint = (
        EndpointOrder(url=webhook_url, secret=webhook_secret, enabled_events=webhook_events) if webhook_url else None
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(database_url, host, port, endpoint))
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            sys.exit(f"sandbox: no database: {type(error).__name__}: {error}")


async def _serve(database_url: str, host: str, port: int, endpoint: EndpointOrder | None) -> None:
    pool = await open_pool(database_url)
    store, faults, courier = Store(pool), Faults(pool), Courier(pool)
    clock = Clock(pool, store, courier)
    await faults.load()
    await (courier.register(endpoint) if endpoint else courier.load())
    background = [asyncio.create_task(courier.run()), asyncio.create_task(clock.run())]
    try:
        await uvicorn.Server(_config(build(pool, store, faults, courier, clock), host, port)).serve()
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        pool.terminate()


def _config(app: ASGIApp, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=DroppableProtocol,
        lifespan="off",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,  # longer than clients keep theirs: a connection that closes under a request is a fault
        timeout_graceful_shutdown=5,
    )
