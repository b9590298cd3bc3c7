"""Ways to ask a child whether it is ready. None of them raises: no answer is no."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import httpx2

from cli.stack.ports import HOST

Ready = Callable[[], Awaitable[bool]]
_PATIENCE = 2.0


def listens(port: int) -> Ready:
    """Ask whether something takes connections on a port."""

    async def ready() -> bool:
        try:
            async with asyncio.timeout(_PATIENCE):
                _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    return ready


def answers(url: str) -> Ready:
    """Ask whether an address answers with success."""

    async def ready() -> bool:
        try:
            async with httpx2.AsyncClient(timeout=_PATIENCE, trust_env=False, verify=False) as client:
                return (await client.get(url)).is_success
        except httpx2.HTTPError:
            return False

    return ready


def accepts_queries(database_url: str) -> Ready:
    """Ask whether PostgreSQL answers a query."""

    async def ready() -> bool:
        try:
            connection = await asyncpg.connect(database_url, timeout=_PATIENCE)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        await connection.close()
        return True

    return ready


def succeeds(*command: str) -> Ready:
    """Ask whether a command ends well."""

    async def ready() -> bool:
        nowhere = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(*command, stdout=nowhere, stderr=nowhere)
        return await process.wait() == 0

    return ready


def says(word: str, log: Path) -> Ready:
    """Ask whether a log has got a word since now."""
    begin = log.stat().st_size if log.exists() else 0

    def said() -> bool:
        return log.exists() and word.encode() in log.read_bytes()[begin:]

    async def ready() -> bool:
        return await asyncio.to_thread(said)

    return ready
