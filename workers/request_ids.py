"""Activities log under the id of the request that they were begun for."""

from time import perf_counter
from typing import Any

import structlog
from temporalio import activity
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from contracts.request_ids import request_id_of
from workflows.request_ids import RequestIdInbound

log = structlog.get_logger(__name__)


class RequestIds(Interceptor):
    """Takes the id from a workflow's headers to its activities, and from there to their logs."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - Temporal's own name
        """Stand before every activity."""
        return _Activity(next)

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - as above
    ) -> type[WorkflowInboundInterceptor]:
        """Stand before every workflow."""
        return RequestIdInbound


class _Activity(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - as above
        """Log what was done: in detail where another system was asked, else only when somebody looks for it."""
        info = activity.info()
        known = {"request_id": request_id_of(input.headers), "workflow_id": info.workflow_id}
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(**{name: value for name, value in known.items() if value is not None})
        began = perf_counter()
        outcome = "failed"
        try:
            result = await super().execute_activity(input)
            outcome = "done"
            return result
        finally:
            tell = log.debug if info.is_local else log.info
            tell(
                "activity",
                activity=info.activity_type,
                attempt=info.attempt,
                outcome=outcome,
                milliseconds=round((perf_counter() - began) * 1000),
            )
