"""One message without an order, from its row to its reader."""

from temporalio import workflow

from contracts.messages import MessageActivities
from contracts.notifications import DeliverMessage
from workflows.options import message_delivery


@workflow.defn(name="MessageWorkflow")
class MessageWorkflow:
    """Delivers one message, with days of tries. The row says whether it still has to be sent."""

    @workflow.run
    async def run(self, message: DeliverMessage) -> None:
        """Deliver it."""
        await workflow.execute_activity_method(
            MessageActivities.deliver, message, **message_delivery("Tell an account's owner or staff by e-mail")
        )
