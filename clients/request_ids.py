"""Whatever a request asks of Temporal bears the request's id."""

from typing import Any

import structlog
from temporalio.client import (
    Interceptor,
    OutboundInterceptor,
    SignalWorkflowInput,
    StartWorkflowInput,
    StartWorkflowUpdateInput,
    StartWorkflowUpdateWithStartInput,
    WorkflowHandle,
    WorkflowUpdateHandle,
)

from contracts.request_ids import MEMO, with_request_id


class RequestIds(Interceptor):
    """Adds the id that the logs of this request bear, to the headers and to the memo of what it starts."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - Temporal's own name
        """Stand before the client."""
        return _Outbound(next)


class _Outbound(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002 - as above
        _mark_start(input)
        return await super().start_workflow(input)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:  # noqa: A002 - as above
        _mark(input)
        await super().signal_workflow(input)

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:  # noqa: A002
        _mark(input)
        return await super().start_workflow_update(input)

    async def start_update_with_start_workflow(
        self,
        input: StartWorkflowUpdateWithStartInput,  # noqa: A002 - as above
    ) -> WorkflowUpdateHandle[Any]:
        _mark_start(input.start_workflow_input)
        _mark(input.update_workflow_input)
        return await super().start_update_with_start_workflow(input)


def _current() -> str | None:
    current: str | None = structlog.contextvars.get_contextvars().get("request_id")
    return current


def _mark(message: Any) -> None:
    """Add the id to a message's headers (the SDK's inputs have no common type)."""
    if (current := _current()) is not None:
        message.headers = with_request_id(message.headers, current)


def _mark_start(start: Any) -> None:
    _mark(start)
    if (current := _current()) is not None:
        start.memo = {**(start.memo or {}), MEMO: current}
