"""Start the erasure of accounts."""

from datetime import timedelta
from uuid import UUID

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from contracts.erasures import EraseAccount, erasure_workflow_id
from contracts.queues import TaskQueue
from domain.errors import TemporarilyUnavailableError
from workflows.erasure import ErasureWorkflow

_CALL = timedelta(seconds=5)


class ErasureClient:
    """A typed façade of `ErasureWorkflow`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def begin(self, user_id: UUID) -> None:
        """Begin to erase an account that was closed; nothing happens where that is under way.

        Raises:
            TemporarilyUnavailableError: Temporal is away; the sweep begins it later.
        """
        try:
            await self._client.start_workflow(
                ErasureWorkflow.run,
                EraseAccount(user_id),
                id=erasure_workflow_id(user_id),
                task_queue=TaskQueue.MAINTENANCE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                static_summary="Erasure of an account",
                rpc_timeout=_CALL,
            )
        except (RPCError, RuntimeError):
            raise TemporarilyUnavailableError("The account is erased later.") from None
