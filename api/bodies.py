"""JSON in requests, read in one way only: of two readers of a body, none may see another value than the other."""

import json
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class BodyRoute(APIRoute):
    """A route whose JSON body names no member twice: RFC 8259 leaves open which of them counts."""

    def get_route_handler(self) -> _Handler:
        """Have the endpoint read the body so."""
        endpoint = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await endpoint(_StrictRequest(request))

        return strict


class _StrictRequest(Request):
    """The same request, whose body is read once for both."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.scope, request.receive)
        self._given = request

    async def body(self) -> bytes:
        return await self._given.body()

    def stream(self) -> AsyncGenerator[bytes, None]:
        return self._given.stream()

    async def json(self) -> Any:
        return json.loads(await self.body(), object_pairs_hook=_members)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise json.JSONDecodeError("A member is named twice", "", 0)
    return members
