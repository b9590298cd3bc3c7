"""Messages without an order: a workflow for each, which knows nothing but the id of its row."""

from uuid import UUID

from temporalio import activity

from contracts.notifications import DeliverMessage

SWEEP_MESSAGES = "notifications.sweep"
"""The chore that begins what was lost between its transaction and its start."""


def message_workflow_id(notification_id: UUID) -> str:
    """Name the workflow that delivers a message."""
    return f"message-{notification_id}"


class MessageActivities:
    """Hands messages over that are about no order, each once."""

    @activity.defn(name="messages.deliver")
    async def deliver(self, request: DeliverMessage) -> None:
        """Render a message and hand it to the mail server.

        A row that was sent already is left alone; one that somebody else is sending is tried again later.
        """
        raise NotImplementedError
