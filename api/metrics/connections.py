"""The connections to PostgreSQL that a process has: of its transactions, and those that the catalogue is read on."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from db.reads import Reads


class ConnectionMetrics(Collector):
    """Looks at the pools when it is asked, so that nobody who takes a connection pays for it."""

    def __init__(self) -> None:
        self._pools: tuple[AsyncEngine, Reads] | None = None

    def look_at(self, engine: AsyncEngine, reads: Reads) -> None:
        """Tell of these from now on."""
        self._pools = (engine, reads)

    def collect(self) -> Iterator[Metric]:
        """Write down how things stand."""
        used = GaugeMetricFamily(
            "everorder_database_connections_in_use", "Connections that are being used, by pool.", labels=["pool"]
        )
        most = GaugeMetricFamily(
            "everorder_database_connections_max", "Connections that there may be, by pool.", labels=["pool"]
        )
        waiting = GaugeMetricFamily(
            "everorder_database_reads_waiting", "Reads of the catalogue that wait for a connection."
        )
        if self._pools is not None:
            engine, reads = self._pools
            pool = engine.pool
            if isinstance(pool, QueuePool):
                used.add_metric(["transactions"], pool.checkedout())
                most.add_metric(["transactions"], pool.size())
            used.add_metric(["reads"], min(reads.wanted, reads.most))
            most.add_metric(["reads"], reads.most)
            waiting.add_metric([], max(0, reads.wanted - reads.most))
        yield from (used, most, waiting)
