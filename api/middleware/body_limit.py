"""Bodies: not larger than the limit, and not slower than anybody has to wait.

A request that tells neither a length nor an encoding has none (RFC 9112, section 6.3), and passes as it is.
"""

import asyncio

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem

UPLOADS = "/v1/imports"
"""Where files are sent, which are larger than other bodies, and are not kept in memory."""

_TELL_OF_BODIES = (b"content-length", b"transfer-encoding")


class BodyLimit:
    """Refuses bodies that are too large: at once when they say so, while reading when they come in chunks."""

    def __init__(self, app: ASGIApp, max_bytes: int, max_file_bytes: int) -> None:
        self._app = app
        self._limits = {False: max_bytes, True: max_file_bytes}
        self._counted = {is_file: RequestBodyLimitMiddleware(app, most) for is_file, most in self._limits.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Servers see to it that a body is as long as it says."""
        if not _has_body(scope):
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length")
        is_file = scope["path"] == UPLOADS
        if length is None:
            await self._counted[is_file](scope, receive, send)
        elif not length.isdecimal() or int(length) > self._limits[is_file]:
            await problem(Request(scope), "payload_too_large", "")(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class UploadLimit:
    """Gives up on a body that does not arrive in time: whoever sends it slowly keeps nothing of ours."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. What comes after its body (that the client has left) may take as long as it likes."""
        if not _has_body(scope):
            await self._app(scope, receive, send)
            return
        limit = asyncio.get_running_loop().time() + self._seconds
        arrived = False

        async def receive_in_time() -> Message:
            nonlocal arrived
            if arrived:
                return await receive()
            try:
                async with asyncio.timeout_at(limit):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, headers={"Connection": "close"}) from None
            arrived = not message.get("more_body", False)
            return message

        await self._app(scope, receive_in_time, send)


def _has_body(scope: Scope) -> bool:
    return scope["type"] == "http" and any(name in _TELL_OF_BODIES for name, _ in scope["headers"])
