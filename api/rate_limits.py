"""How much a caller may ask for: the table of limits, and the counters behind it.

Counters live in this process (`api.sliding_window`), or, where `EVERORDER_REDIS_URL` is set, in one Redis for all
processes. A Redis that is away limits nobody: the shop is worth more than its limits.
"""

import asyncio
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic, time

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.storage.redis.redispy import RedispyBridge
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.exceptions import RedisError

from api.sliding_window import Counted, SlidingWindow

log = structlog.get_logger(__name__)

WINDOW_SECONDS = 60
_PAUSE_SECONDS = 1.0
"""How long Redis is not asked after it did not answer, so that not every request waits for it."""
_REDIS_PATIENCE = 0.5


class RouteClass(StrEnum):
    """What a request costs, or what it could be misused for."""

    READ = "read"
    WRITE = "write"
    CHECKOUT = "checkout"
    AUTH = "auth"
    WEBHOOK = "webhook"


class CallerClass(StrEnum):
    """By what a caller is known: an address, an account, or the service token."""

    ADDRESS = "address"
    ACCOUNT = "account"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests a minute, by what the caller is known by. An address may be shared by a whole office."""

    address: int
    account: int
    service: int

    def of(self, caller: CallerClass) -> int:
        """Return the one that counts for a caller."""
        return {
            CallerClass.ADDRESS: self.address,
            CallerClass.ACCOUNT: self.account,
            CallerClass.SERVICE: self.service,
        }[caller]


LIMITS: Mapping[RouteClass, Rates] = {
    RouteClass.READ: Rates(address=1_200, account=1_200, service=120_000),
    RouteClass.WRITE: Rates(address=600, account=600, service=120_000),
    RouteClass.CHECKOUT: Rates(address=120, account=60, service=60_000),
    RouteClass.AUTH: Rates(address=60, account=60, service=60),
    RouteClass.WEBHOOK: Rates(address=12_000, account=12_000, service=12_000),
}
"""The table of limits, in requests a minute; `EVERORDER_RATE_LIMIT_SCALE` multiplies it."""

_FREE = frozenset({"/healthz", "/readyz", "/metrics"})
_SPECIAL: tuple[tuple[RouteClass, re.Pattern[str]], ...] = (
    (RouteClass.AUTH, re.compile(r"/v1/auth/.+")),
    (RouteClass.WEBHOOK, re.compile(r"/v1/webhooks/.+")),
    (RouteClass.CHECKOUT, re.compile(r"/v1/carts/[^/]+/checkout|/v1/orders/[^/]+/payments")),
)
_SAFE = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands after a request was counted; `reset` is in seconds."""

    policy: RouteClass
    limit: int
    remaining: int
    reset: int
    refused: bool

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Write it as the fields of the IETF's draft on rate limit headers, as structured fields (RFC 9651)."""
        return (
            (b"ratelimit-policy", f'"{self.policy}";q={self.limit};w={WINDOW_SECONDS}'.encode()),
            (b"ratelimit", f'"{self.policy}";r={self.remaining};t={self.reset}'.encode()),
        )


def is_upkeep(path: str) -> bool:
    """Tell whether somebody asks who looks after the process."""
    return path in _FREE


def route_class(method: str, path: str) -> RouteClass | None:
    """Tell which limit a request counts for; None: nobody limits who looks after the process."""
    if is_upkeep(path):
        return None
    if method in _SAFE:
        return RouteClass.READ
    return next((special for special, paths in _SPECIAL if paths.fullmatch(path)), RouteClass.WRITE)


class RateLimits:
    """Counts requests in a window that slides."""

    def __init__(self, *, scale: float, redis_url: str = "") -> None:
        self._limits = {
            (policy, caller): math.ceil(rates.of(caller) * scale)
            for policy, rates in LIMITS.items()
            for caller in CallerClass
        }
        self._shared = _SharedWindow(redis_url) if redis_url else None
        self._own = SlidingWindow(WINDOW_SECONDS)

    async def count(self, policy: RouteClass, known_by: CallerClass, name: str) -> Standing | None:
        """Count one request of a caller. None: it is not limited, by a setting or because Redis is away."""
        limit = self._limits[policy, known_by]
        if limit == 0:
            return None
        if self._shared is None:
            counted: Counted | None = self._own.count(f"{policy}:{known_by}:{name}", limit)
        else:
            counted = await self._shared.count(policy, f"{known_by}:{name}", limit)
        if counted is None:
            return None
        return Standing(policy, limit, counted.remaining, max(1, math.ceil(counted.reset)), counted.refused)

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        if self._shared is not None:
            await self._shared.aclose()


class _SharedWindow:
    """Counts in a Redis, together with other processes."""

    def __init__(self, redis_url: str) -> None:
        self._storage = RedisStorage(f"async+{redis_url}", implementation="redispy", key_prefix="everorder:limits")
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)
        self._paused_until = 0.0

    async def count(self, policy: RouteClass, caller: str, limit: int) -> Counted | None:
        """Count one request; None while Redis is away."""
        if monotonic() < self._paused_until:
            return None
        try:
            async with asyncio.timeout(_REDIS_PATIENCE):
                return await self._count(policy, caller, limit)
        except (RedisError, OSError, TimeoutError) as error:
            self._paused_until = monotonic() + _PAUSE_SECONDS
            log.warning("rate_limits_unavailable", error=type(error).__name__)
            return None

    async def _count(self, policy: RouteClass, caller: str, limit: int) -> Counted:
        item = RateLimitItemPerMinute(limit)
        allowed = await self._limiter.hit(item, policy, caller)
        window = await self._limiter.get_window_stats(item, policy, caller)
        return Counted(window.remaining if allowed else 0, window.reset_time - time(), not allowed)

    async def aclose(self) -> None:
        """Close the connections."""
        if isinstance(self._storage.bridge, RedispyBridge):
            await self._storage.bridge.storage.aclose()
