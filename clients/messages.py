"""Start the delivery of messages about accounts."""

from datetime import timedelta
from uuid import UUID

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from contracts.messages import message_workflow_id
from contracts.notifications import DeliverMessage
from contracts.queues import TaskQueue
from domain.errors import TemporarilyUnavailableError
from workflows.message import MessageWorkflow

_CALL = timedelta(seconds=5)


class MessageClient:
    """A typed façade of `MessageWorkflow`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def begin(self, notification_id: UUID) -> None:
        """Begin to deliver a message; nothing happens where that is under way.

        One that was delivered is not delivered again, however often this is called: its row says so.

        Raises:
            TemporarilyUnavailableError: Temporal is away; the sweep begins it later.
        """
        try:
            await self._client.start_workflow(
                MessageWorkflow.run,
                DeliverMessage(notification_id),
                id=message_workflow_id(notification_id),
                task_queue=TaskQueue.NOTIFICATIONS,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                static_summary="Message about an account",
                rpc_timeout=_CALL,
            )
        except (RPCError, RuntimeError):
            raise TemporarilyUnavailableError("The message is sent later.") from None
