"""Counts requests by caller, tells each where it stands, and refuses what is too much."""

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.client_address import client_address, household, networks
from api.deps import caller_of
from api.metrics.requests import RequestMetrics
from api.problems import problem
from api.rate_limits import CallerClass, RateLimits, RouteClass, Standing, route_class
from domain.errors import UnauthenticatedError
from domain.roles import Role


class RateLimit:
    """Refuses with 429 before a body is read or anything is looked up."""

    def __init__(self, app: ASGIApp, limits: RateLimits, trusted_proxies: str, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics
        self._limits = limits
        self._trusted = networks(trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        standing = await self._standing(scope) if scope["type"] == "http" else None
        if standing is None:
            await self._app(scope, receive, send)
            return

        async def send_with_standing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *standing.headers()]
            await send(message)

        if standing.refused:
            self._metrics.limited(standing.policy)
            answer = problem(Request(scope), "rate_limited", "")
            answer.headers["Retry-After"] = str(standing.reset)
            await answer(scope, receive, send_with_standing)
        else:
            await self._app(scope, receive, send_with_standing)

    async def _standing(self, scope: Scope) -> Standing | None:
        policy = route_class(scope["method"], scope["path"])
        if policy is None:
            return None
        known_by, name = await self._who(scope, policy)
        return await self._limits.count(policy, known_by, name)

    async def _who(self, scope: Scope, policy: RouteClass) -> tuple[CallerClass, str]:
        """Know a caller by an account where a token proves one, else by an address: that can not be changed at will."""
        if policy is not RouteClass.AUTH and any(name == b"authorization" for name, _ in scope["headers"]):
            try:
                caller = await caller_of(Request(scope))
            except (UnauthenticatedError, OSError, SQLAlchemyError):
                pass  # a token that is none, or that nobody can check at the moment, is nothing to be known by
            else:
                if Role.SERVICE in caller.roles:
                    return CallerClass.SERVICE, "service"
                return CallerClass.ACCOUNT, str(caller.user_id)
        return CallerClass.ADDRESS, household(client_address(scope, self._trusted))
