"""The API as a replay sees it: an answer that counts, or none yet."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from cli.errors import CommandError
from cli.retail.target import Shop

_COMPACT = (",", ":")
_TIMEOUT = httpx2.Timeout(30, connect=5)
_CHECKOUT_WAIT = "wait=10"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said. `code` is the stable code of a problem, `retry_after` in seconds; status 0 is no answer."""

    status: int
    body: dict[str, Any]
    retry_after: float | None = None

    @property
    def code(self) -> str:
        """Return the code of the problem, empty where there is none."""
        return str(self.body.get("code", ""))

    @property
    def passing(self) -> bool:
        """Tell whether the same question may get another answer soon."""
        return self.status in {0, 429} or self.status >= 500

    def __str__(self) -> str:
        return f"{self.status or 'no answer'} {self.code or self.body.get('title', '')}".strip()


class Api:
    """Asks questions, many at a time."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        """Ask once.

        Raises:
            CommandError: the API does not accept the token; nothing else can succeed either.
        """
        try:
            response = await self._client.request(method, path, content=body)
        except httpx2.TransportError as error:
            return Answer(0, {"title": type(error).__name__})
        answer = Answer(response.status_code, _body(response), _retry_after(response))
        if answer.status in {401, 403}:
            msg = f"{method} {path} answered {answer}: the token does not open imports"
            raise CommandError(msg)
        return answer


@asynccontextmanager
async def connected(shop: Shop, concurrency: int) -> AsyncIterator[Api]:
    """Open one client for all invoices, with a connection for each that is under way."""
    headers = {
        "Authorization": f"Bearer {shop.token}",
        "Content-Type": "application/json",
        "Prefer": _CHECKOUT_WAIT,
        "User-Agent": "everorder-replay",
    }
    limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with httpx2.AsyncClient(
        base_url=shop.api_url, headers=headers, timeout=_TIMEOUT, limits=limits, trust_env=False
    ) as client:
        yield Api(client)


def encoded(body: object) -> bytes:
    """Write a body, once for as often as it is sent."""
    return json.dumps(body, separators=_COMPACT).encode()


def _body(response: httpx2.Response) -> dict[str, Any]:
    try:
        body = json.loads(response.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _retry_after(response: httpx2.Response) -> float | None:
    try:
        return float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        return None
