"""Answers for the hosts that the shop goes by, where a setting names them."""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import problem
from api.rate_limits import is_upkeep


class KnownHost:
    """Refuses a request that was meant for another host: nothing behind it is led to believe that it is that host."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Health is asked for by whatever name a process has."""
        if scope["type"] != "http" or not self._hosts or is_upkeep(scope["path"]) or self._knows(scope):
            await self._app(scope, receive, send)
            return
        errors = [{"loc": ["header", "Host"], "msg": "This is no host of the shop"}]
        await problem(Request(scope), "validation_error", "", {"errors": errors})(scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        named = Headers(scope=scope).getlist("host")
        return len(named) == 1 and named[0].lower().partition(":")[0] in self._hosts
