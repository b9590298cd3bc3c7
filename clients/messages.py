"""Start the delivery of messages without an order."""

from uuid import UUID

from temporalio.client import Client

from clients.starting import begin
from contracts.messages import message_workflow_id
from contracts.notifications import DeliverMessage
from contracts.queues import TaskQueue
from workflows.message import MessageWorkflow


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
        await begin(
            self._client,
            MessageWorkflow.run,
            DeliverMessage(notification_id),
            workflow_id=message_workflow_id(notification_id),
            queue=TaskQueue.NOTIFICATIONS,
            summary="Message without an order",
        )
