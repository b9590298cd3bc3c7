"""All that one process counts: a target of Prometheus. Processes that share a port can not be told apart."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Gauge, disable_created_metrics, generate_latest
from prometheus_client.core import Metric
from prometheus_client.process_collector import ProcessCollector

from api.metrics.checkouts import CheckoutMetrics
from api.metrics.connections import ConnectionMetrics
from api.metrics.requests import RequestMetrics
from api.metrics.shop import ShopMetrics

disable_created_metrics()  # type: ignore[no-untyped-call] # a series for each series, which says when it began


class Metrics:
    """The counters of a process. `shop` is None where it does not serve orders: who does tells the shop's figures."""

    def __init__(self, *, tells_of_shop: bool) -> None:
        self._registry = CollectorRegistry()
        self.requests = RequestMetrics(self._registry)
        self.checkouts = CheckoutMetrics(self._registry)
        self.streams = Gauge("everorder_event_streams", "Orders that somebody follows.", registry=self._registry)
        self.connections = ConnectionMetrics()
        self._registry.register(self.connections)
        self.shop = ShopMetrics() if tells_of_shop else None
        if self.shop is not None:
            self._registry.register(self.shop)
        ProcessCollector(registry=self._registry)

    def described(self) -> Iterator[tuple[str, str, str]]:
        """Name everything of our own with its kind and what it tells."""
        families = {family.name: family for family in (*(self.shop.describe() if self.shop else ()), *self._own())}
        for family in sorted(families.values(), key=lambda family: family.name):
            suffix = "_total" if family.type == "counter" else ""
            yield family.name + suffix, family.type, family.documentation

    def _own(self) -> Iterator[Metric]:
        return (family for family in self._registry.collect() if family.name.startswith("everorder_"))

    def written(self) -> bytes:
        """Write everything in the text format of Prometheus."""
        return generate_latest(self._registry)
