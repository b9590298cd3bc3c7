"""Messages to people, on their own queue."""

from dataclasses import dataclass
from uuid import UUID

from temporalio import activity


@dataclass(frozen=True, slots=True)
class DeliverMessage:
    """Name the row of `notifications` that is to be delivered."""

    notification_id: UUID


class NotificationActivities:
    """Hands messages over, each once."""

    @activity.defn(name="notifications.deliver")
    async def deliver(self, request: DeliverMessage) -> None:
        """Render a message and hand it to the mail server, or to the SMS gateway.

        A row that was sent already is left alone; one that somebody else is sending is tried again later.
        """
        raise NotImplementedError
