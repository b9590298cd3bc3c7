"""What surrounds every request: its id, the limit of its body, and an answer when everything else failed."""

import re

import structlog
from starlette.datastructures import Headers
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from api.errors import failed
from api.problems import problem

_ACCEPTED_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class RequestIdentity:
    """Gives every request an id (`X-Request-ID`: the caller's, when it is harmless), which its logs and answer bear."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; an error that nobody else answered becomes a 500."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id.decode())
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:
            if started:
                raise
            await failed(Request(scope), error)(scope, receive, send_with_id)


def _request_id(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ACCEPTED_ID.fullmatch(value):
            return bytes(value)
    return uuid7().hex.encode()


class BodyLimit:
    """Refuses bodies that are too large: at once when they say so, while reading when they come in chunks."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._counted = RequestBodyLimitMiddleware(app, max_bytes)
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Servers see to it that a body is as long as it says."""
        length = Headers(scope=scope).get("content-length") if scope["type"] == "http" else "0"
        if length is None:
            await self._counted(scope, receive, send)
        elif not length.isdecimal() or int(length) > self._max_bytes:
            await problem(Request(scope), "payload_too_large", "")(scope, receive, send)
        else:
            await self._app(scope, receive, send)
