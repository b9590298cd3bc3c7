"""When a worker has last brought something to an end: what `workers.watch` judges it by."""

from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from temporalio.worker import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)


class Pulse:
    """Remembers when something was last done.

    What counts is an end, good or bad, and the heartbeat of what takes long. A beginning does not: a worker that only
    begins things stands still.
    """

    def __init__(self) -> None:
        self.last = monotonic()

    def beat(self) -> None:
        """Note that something was done. Threads may do so."""
        self.last = monotonic()


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a worker shows of itself, by the kind of task that it takes. Local activities are part of workflow tasks."""

    workflow_tasks: Pulse = field(default_factory=Pulse)
    activities: Pulse = field(default_factory=Pulse)


class SignsOfLife(Interceptor):
    """Notes the end of every activity, however it ends, and every heartbeat."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - Temporal's own name
        """Stand before every activity."""
        return _Activity(next, self._pulse)


class _Activity(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, pulse: Pulse) -> None:  # noqa: A002 - as above
        super().__init__(next)
        self._pulse = pulse

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        super().init(_Heartbeats(outbound, self._pulse))

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - as above
        try:
            return await super().execute_activity(input)
        finally:
            self._pulse.beat()


class _Heartbeats(ActivityOutboundInterceptor):
    def __init__(self, next: ActivityOutboundInterceptor, pulse: Pulse) -> None:  # noqa: A002 - as above
        super().__init__(next)
        self._pulse = pulse

    def heartbeat(self, *details: Any) -> None:
        self._pulse.beat()
        super().heartbeat(*details)
