"""Workflows hear only signals and updates that have as many inputs as their handlers take."""

from temporalio.worker import Interceptor, WorkflowInboundInterceptor, WorkflowInterceptorClassInput

from workflows.well_formed import WellFormedInbound


class WellFormedMessages(Interceptor):
    """Stands before the handlers of every workflow."""

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - Temporal's own name
    ) -> type[WorkflowInboundInterceptor]:
        """Stand there."""
        return WellFormedInbound
