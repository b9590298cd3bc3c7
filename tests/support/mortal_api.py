"""The API as a process that kills itself with SIGKILL at the point that a request names (`X-Dies`)."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.app import create_app as create_real_app
from cli.stack.health import answers
from db import idempotency
from db.idempotency import Claim

BEFORE_ANSWER = "before-answer"
"""What was asked for is done, and committed where it is no business of the answer's transaction."""
BEFORE_SENDING = "before-sending"
"""Everything is committed, and the client knows nothing of it."""

_STARTS_WITHIN = 60.0
_POLL = 0.05
_dies: ContextVar[str] = ContextVar("dies", default="")


def create_app() -> FastAPI:
    """Make the API with its ways to die: `uvicorn --factory tests.support.mortal_api:create_app`."""
    app = create_real_app()
    app.add_middleware(_Mortal)
    real = idempotency.answer

    async def answer(session: AsyncSession, claim: Claim, status: int, sealed: bytes) -> bool:
        _die_at(BEFORE_ANSWER)
        return await real(session, claim, status, sealed)

    idempotency.answer = answer
    return app


class _Mortal:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_or_die(message: Message) -> None:
            _die_at(BEFORE_SENDING)
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        _dies.set(dict(scope["headers"]).get(b"x-dies", b"").decode())
        await self._app(scope, receive, send_or_die)


def _die_at(point: str) -> None:
    if _dies.get() == point:
        os.kill(os.getpid(), signal.SIGKILL)


@asynccontextmanager
async def mortal_api(environment: Mapping[str, str]) -> AsyncIterator[str]:
    """Run one until the block ends or it dies, and give its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url, factory = f"http://127.0.0.1:{port}", f"{__name__}:create_app"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "--factory", factory, "--port", str(port), "--log-level", "warning"),
        env={**os.environ, **environment},
    )
    try:
        async with asyncio.timeout(_STARTS_WITHIN):
            while not await answers(f"{url}/healthz")():
                assert process.returncode is None, "the API has ended"
                await asyncio.sleep(_POLL)
        yield url
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
