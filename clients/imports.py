"""Start imports of uploaded files."""

from uuid import UUID

from temporalio.client import Client

from clients.starting import begin
from contracts.imports import RunImport, import_workflow_id
from contracts.queues import TaskQueue
from workflows.imports import ImportWorkflow


class ImportClient:
    """A typed façade of `ImportWorkflow`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def begin(self, import_id: UUID) -> None:
        """Begin an import whose file is kept; nothing happens where that is under way.

        Raises:
            TemporarilyUnavailableError: Temporal is away; the sweep begins it later.
        """
        await begin(
            self._client,
            ImportWorkflow.run,
            RunImport(import_id),
            workflow_id=import_workflow_id(import_id),
            queue=TaskQueue.INVENTORY,
            summary="Import of a product file",
        )
