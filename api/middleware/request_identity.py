"""The id of every request, and an answer when everything else failed."""

import re
from time import perf_counter

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from api.errors import failed
from api.metrics.requests import RequestMetrics
from api.rate_limits import is_upkeep

log = structlog.get_logger(__name__)

_ACCEPTED_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class RequestIdentity:
    """Gives every request an id (`X-Request-ID`: the caller's, when it is harmless), which its logs and answer bear.

    What came of it is logged and counted here.
    """

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; an error that nobody else answered becomes a 500."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        structlog.contextvars.bind_contextvars(request_id=request_id.decode())
        began = perf_counter()
        self._metrics.in_flight += 1
        status: int | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:
            if status is not None:
                raise
            await failed(Request(scope), error)(scope, receive, send_with_id)
        finally:
            seconds = perf_counter() - began
            self._metrics.in_flight -= 1
            self._metrics.answered(scope, status, seconds)
            _tell(scope, status, seconds)


def _tell(scope: Scope, status: int | None, seconds: float) -> None:
    """Log a request by its route: what stands in its address may be somebody's."""
    if not is_upkeep(scope["path"]):
        route = getattr(scope.get("route"), "path", None)
        log.info("request", method=scope["method"], route=route, status=status, milliseconds=round(seconds * 1000))


def _request_id(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ACCEPTED_ID.fullmatch(value):
            return bytes(value)
    return uuid7().hex.encode()
