"""A signal or an update with too few or too many inputs reaches no handler.

The handler would not take it, and the workflow would fail that task for ever: a signal stands in the history. What can
not be read as its type never comes here: the SDK drops such a signal, and refuses such an update.
"""

from collections.abc import Sequence
from inspect import signature
from typing import Any

from temporalio import workflow
from temporalio.worker import HandleSignalInput, HandleUpdateInput, WorkflowInboundInterceptor

from contracts.failures import refusal


class WellFormedInbound(WorkflowInboundInterceptor):
    """Stands before every handler."""

    async def handle_signal(self, input: HandleSignalInput) -> None:  # noqa: A002 - Temporal's own name
        """Drop a signal that its handler would not take."""
        if _fits(input.signal, input.args):
            await super().handle_signal(input)
        else:
            workflow.logger.warning("signal dropped: %s was sent with %d inputs", input.signal, len(input.args))

    def handle_update_validator(self, input: HandleUpdateInput) -> None:  # noqa: A002 - as above
        """Refuse an update that its validator would not take."""
        _require(input)
        super().handle_update_validator(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:  # noqa: A002 - as above
        """Refuse an update that its handler would not take."""
        _require(input)
        return await super().handle_update_handler(input)


def _require(update: HandleUpdateInput) -> None:
    if not _fits(update.update, update.args):
        raise refusal("validation_error", f"The update {update.update} is not sent with {len(update.args)} inputs.")


def _fits(name: str, args: Sequence[Any]) -> bool:
    """Tell whether the method of this name takes so many arguments."""
    method = getattr(type(workflow.instance()), name, None)
    if method is None:
        return True
    try:
        signature(method).bind(None, *args)
    except TypeError:
        return False
    return True
