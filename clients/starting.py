"""Begin a workflow that has one thing to do, however often it is asked for."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from contracts.queues import TaskQueue
from domain.errors import TemporarilyUnavailableError

Request = TypeVar("Request")

_CALL = timedelta(seconds=5)


async def begin(
    client: Client,
    run: Callable[[Any, Request], Awaitable[object]],
    request: Request,
    *,
    workflow_id: str,
    queue: TaskQueue,
    summary: str,
) -> None:
    """Begin a workflow; nothing happens where it is under way. One that is over begins again.

    Raises:
        TemporarilyUnavailableError: Temporal is away; a sweep begins it later.
    """
    try:
        await client.start_workflow(
            run,
            request,
            id=workflow_id,
            task_queue=queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            static_summary=summary,
            rpc_timeout=_CALL,
        )
    except (RPCError, RuntimeError):
        raise TemporarilyUnavailableError("It is done later.") from None
