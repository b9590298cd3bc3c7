"""Requests by their route: never by their path, which names things of people, and of which there is no end."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import Scope

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)
"""From a read to a checkout that waits for its outcome."""
_BOUNDS = (*map(str, _SECONDS), "+Inf")

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER = "other"
_NOWHERE = "none"
_GONE = "gone"


class _Series:
    """Requests of one kind: how many took as long as a bucket tells and no longer, and how long all of them took."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * len(_BOUNDS)
        self.seconds = 0.0


class RequestMetrics(Collector):
    """Counts the requests of a process, all in the one thread that serves them: so without the library's locks.

    `in_flight` is how many are being answered; who serves them counts.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.in_flight = 0
        self._series: dict[tuple[str, str, int], _Series] = {}
        self._limited = Counter(
            "everorder_http_rate_limited",
            "Requests that were refused as too many, by the limit that they counted for.",
            ["policy"],
            registry=registry,
        )
        registry.register(self)

    def answered(self, scope: Scope, status: int | None, seconds: float) -> None:
        """Count a request; `status` is None where nothing was answered."""
        route, method = scope.get("route"), scope["method"]
        key = (
            _NOWHERE if route is None else route.path,
            method if method in _METHODS else _OTHER,
            status // 100 if status else 0,
        )
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series()
        series.buckets[bisect_left(_SECONDS, seconds)] += 1
        series.seconds += seconds

    def limited(self, policy: str) -> None:
        """Count a request that was refused as one too many."""
        self._limited.labels(policy).inc()

    def collect(self) -> Iterator[Metric]:
        """Write down what was counted."""
        told = HistogramMetricFamily(
            "everorder_http_request_duration_seconds",
            "Requests, and the time until their answers were sent. `route` is the template of a path, `none` where no "
            "route was found; `status` is a class as `2xx`, `gone` for a client that did not wait.",
            labels=["route", "method", "status"],
        )
        for (route, method, kind), series in self._series.items():
            labels = [route, method, f"{kind}xx" if kind else _GONE]
            told.add_metric(labels, list(zip(_BOUNDS, accumulate(series.buckets), strict=True)), series.seconds)
        yield told
        yield GaugeMetricFamily(
            "everorder_http_requests_in_flight",
            "Requests that are being answered, streams among them.",
            value=self.in_flight,
        )
