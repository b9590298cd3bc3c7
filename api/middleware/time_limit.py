"""The time that a request may take until its answer begins."""

import asyncio

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem

log = structlog.get_logger(__name__)


class TimeLimit:
    """Answers 503 for a request that takes too long.

    What it had begun in a transaction is rolled back; an order that was started goes on by itself. An answer that has
    begun, as that of a stream of events, may take its time.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = asyncio.timeout(self._seconds)

        async def send_without_limit(message: Message) -> None:
            limit.reschedule(None)
            await send(message)

        try:
            async with limit:
                await self._app(scope, receive, send_without_limit)
        except TimeoutError:
            if not limit.expired():
                raise
            log.warning("request_took_too_long", seconds=self._seconds)
            detail = "The request took too long. It is safe to look what became of it, and to try again."
            await problem(Request(scope), "temporarily_unavailable", detail)(scope, receive, send)
