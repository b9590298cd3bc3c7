"""Start the erasure of accounts."""

from uuid import UUID

from temporalio.client import Client

from clients.starting import begin
from contracts.erasures import EraseAccount, erasure_workflow_id
from contracts.queues import TaskQueue
from workflows.erasure import ErasureWorkflow


class ErasureClient:
    """A typed façade of `ErasureWorkflow`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def begin(self, user_id: UUID) -> None:
        """Begin to erase an account that was closed; nothing happens where that is under way.

        Raises:
            TemporarilyUnavailableError: Temporal is away; the sweep begins it later.
        """
        await begin(
            self._client,
            ErasureWorkflow.run,
            EraseAccount(user_id),
            workflow_id=erasure_workflow_id(user_id),
            queue=TaskQueue.MAINTENANCE,
            summary="Erasure of an account",
        )
