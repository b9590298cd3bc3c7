"""Begin a chore now, rather than when its schedule says."""

from datetime import timedelta

from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from contracts.queues import TaskQueue
from contracts.schedules import Chore
from domain.errors import TemporarilyUnavailableError
from workflows.chore import ChoreWorkflow

_CALL = timedelta(seconds=10)


class ChoreClient:
    """Begins chores. One that was asked for and is under way is joined."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def begin(self, chore: Chore) -> WorkflowHandle[ChoreWorkflow, int]:
        """Begin a chore; the result of the handle is how many things it has put in order.

        Raises:
            TemporarilyUnavailableError: Temporal is away.
        """
        try:
            return await self._client.start_workflow(
                ChoreWorkflow.run,
                chore,
                id=f"{chore.schedule_id}-now",
                task_queue=TaskQueue.MAINTENANCE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                static_summary=chore.what,
                rpc_timeout=_CALL,
            )
        except RPCError:
            raise TemporarilyUnavailableError("Chores can not be begun at the moment.") from None
