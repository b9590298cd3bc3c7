"""A workflow hands the id of the request that it heard from last to every activity that it starts."""

from typing import Any, NoReturn

from temporalio import workflow
from temporalio.worker import (
    ContinueAsNewInput,
    ExecuteWorkflowInput,
    HandleSignalInput,
    HandleUpdateInput,
    StartActivityInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowOutboundInterceptor,
)

from contracts.request_ids import Headers, request_id_of, with_request_id


class RequestIdInbound(WorkflowInboundInterceptor):
    """Notes the id of the latest request."""

    latest: str | None = None

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        """Stand on both sides of the workflow."""
        super().init(RequestIdOutbound(outbound, self))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002 - Temporal's own name
        """Note who started it."""
        self._note(input.headers)
        return await super().execute_workflow(input)

    async def handle_signal(self, input: HandleSignalInput) -> None:  # noqa: A002 - as above
        """Note who signalled."""
        self._note(input.headers)
        await super().handle_signal(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:  # noqa: A002 - as above
        """Note who sent the update."""
        self._note(input.headers)
        return await super().handle_update_handler(input)

    def _note(self, headers: Headers) -> None:
        self.latest = request_id_of(headers) or self.latest


class RequestIdOutbound(WorkflowOutboundInterceptor):
    """Hands it on."""

    def __init__(self, next: WorkflowOutboundInterceptor, inbound: RequestIdInbound) -> None:  # noqa: A002 - as above
        super().__init__(next)
        self._inbound = inbound

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002 - as above
        """Hand it to an activity."""
        input.headers = self._with_latest(input.headers)
        return super().start_activity(input)

    def start_local_activity(self, input: StartLocalActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002
        """Hand it to a local activity."""
        input.headers = self._with_latest(input.headers)
        return super().start_local_activity(input)

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:  # noqa: A002 - as above
        """Hand it to the run that follows."""
        input.headers = self._with_latest(input.headers)
        super().continue_as_new(input)

    def _with_latest(self, headers: Headers) -> Headers:
        latest = self._inbound.latest
        return headers if latest is None else with_request_id(headers, latest)
