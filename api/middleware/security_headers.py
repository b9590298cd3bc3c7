"""Headers that tell browsers and caches what they may not do with an answer."""

from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_Headers = Sequence[tuple[bytes, bytes]]

_ALWAYS: _Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_KEPT_BY_NOBODY = (b"cache-control", b"no-store")
_FOR_EVERYBODY = ("/v1/products", "/v1/categories", "/openapi.json", "/docs", "/.well-known/")
"""Answers that are the same for everybody. All others may be personal, and nobody keeps them."""


class SecurityHeaders:
    """Adds them to every answer, but for those that the answer has already."""

    def __init__(self, app: ASGIApp, hsts_seconds: int) -> None:
        self._app = app
        hsts = (b"strict-transport-security", f"max-age={hsts_seconds}; includeSubDomains".encode())
        self._shared = (*_ALWAYS, hsts) if hsts_seconds else _ALWAYS
        self._personal = (*self._shared, _KEPT_BY_NOBODY)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted = self._shared if scope["path"].startswith(_FOR_EVERYBODY) else self._personal

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _completed(message["headers"], wanted)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _completed(headers: _Headers, wanted: _Headers) -> _Headers:
    present = {name for name, _ in headers}
    return [*headers, *(header for header in wanted if header[0] not in present)]
