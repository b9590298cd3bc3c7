"""The shop's own figures, which every process that has them tells alike: `max()` of them, never their sum."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from time import monotonic
from typing import TypeVar

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from db.attention import Figures, Queue
from db.engine import UNAVAILABLE

log = structlog.get_logger(__name__)

KEPT = 10.0
"""Seconds for which figures are told again: however often they are asked for, PostgreSQL is asked once."""
_PATIENCE = 2.0
"""Seconds that PostgreSQL has for them: the other figures of a process do not wait for a database that is away."""
OVERDUE_KEPT = 60.0
"""Seconds for which what is overdue is told again: PostgreSQL looks at everything that is under way to find it."""
_OVERDUE_PATIENCE = 5.0
"""Seconds that PostgreSQL has for it: where that is too little, it alone is not told."""

_EMPTY = Queue(0, 0)
_NOTHING = Figures({}, 0, 0, 0, _EMPTY, _EMPTY, _EMPTY)

_Told = TypeVar("_Told")
_Take = Callable[[], Awaitable[_Told]]


class ShopMetrics(Collector):
    """Tells what waits in the shop, as it was a moment ago."""

    def __init__(self) -> None:
        self._figures: Figures | None = None
        self._taken_at = -KEPT
        self._overdue: Mapping[str, int] | None = None
        self._overdue_taken_at = -OVERDUE_KEPT
        self._turn = asyncio.Lock()

    async def renew(self, take: _Take[Figures], take_overdue: _Take[Mapping[str, int]]) -> None:
        """Take anew what is older than it may be; it is gone where PostgreSQL does not tell it."""
        async with self._turn:
            if monotonic() - self._taken_at >= KEPT:
                self._figures = await _taken(take, _PATIENCE, "shop_figures_unavailable")
                self._taken_at = monotonic()
            if self._figures is not None and monotonic() - self._overdue_taken_at >= OVERDUE_KEPT:
                self._overdue = await _taken(take_overdue, _OVERDUE_PATIENCE, "overdue_figures_unavailable")
                self._overdue_taken_at = monotonic()

    def describe(self) -> Iterator[Metric]:
        """Name every figure that there may be."""
        yield _up(self._figures)
        yield from _written(_NOTHING)
        yield _overdue({})

    def collect(self) -> Iterator[Metric]:
        """Write down the figures, or only that there are none."""
        yield _up(self._figures)
        if self._figures is not None:
            yield from _written(self._figures)
            if self._overdue is not None:
                yield _overdue(self._overdue)


async def _taken(take: _Take[_Told], seconds: float, otherwise: str) -> _Told | None:
    try:
        async with asyncio.timeout(seconds):
            return await take()
    except UNAVAILABLE as error:  # a time-out is an OSError
        log.warning(otherwise, error=type(error).__name__)
        return None


def _up(figures: Figures | None) -> Metric:
    return _gauge("everorder_shop_up", "Whether PostgreSQL told the shop's figures.", 0 if figures is None else 1)


def _written(figures: Figures) -> Iterator[Metric]:
    yield _gauges("everorder_orders_open", "Orders that are not over.", "status", figures.orders)
    yield _gauge(
        "everorder_orders_needing_operator",
        "Orders that stand still until somebody decides.",
        figures.needing_operator,
    )
    yield _gauge("everorder_reconciliation_findings", "What reconciliation has left to a person.", figures.findings)
    yield _gauge("everorder_low_stock_alerts", "Alerts of low stock in the last day.", figures.low_stock_alerts)
    yield from _queue("everorder_messages_undelivered", "Messages that are owed to somebody", figures.messages)
    yield from _queue(
        "everorder_payments_started", "Payment operations whose outcome is not known yet", figures.payments
    )
    yield from _queue("everorder_webhook_events_waiting", "Events of providers not handed over", figures.webhook_events)


def _overdue(overdue: Mapping[str, int]) -> Metric:
    says = "What has been under way for longer than it may, by the audit's check (I8) that finds it."
    return _gauges("everorder_overdue", says, "check", overdue)


def _queue(name: str, says: str, queue: Queue) -> Iterator[Metric]:
    yield _gauge(name, f"{says}.", queue.length)
    yield _gauge(f"{name}_oldest_seconds", f"{says}: for how long the first of them has been so.", queue.oldest)


def _gauge(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(name, says, value=value)


def _gauges(name: str, says: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, says, labels=[label])
    for named, value in sorted(values.items()):
        family.add_metric([named], value)
    return family
