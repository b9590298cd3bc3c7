"""What an order owes its buyer in words."""

import asyncio
from collections.abc import Iterable
from uuid import UUID

from temporalio import workflow
from temporalio.exceptions import FailureError

from contracts.failures import refusal_code
from contracts.notifications import DeliverMessage, NotificationActivities
from workflows.options import message_delivery


class Messages:
    """Delivers messages beside the story: nothing waits for them but the end of the workflow."""

    def __init__(self) -> None:
        self._deliveries: dict[UUID, asyncio.Task[None]] = {}

    def send(self, messages: Iterable[UUID]) -> None:
        """Begin to deliver the messages that are not on their way yet."""
        for message in messages:
            if message not in self._deliveries:
                self._deliveries[message] = asyncio.create_task(self._deliver(message))

    @property
    def all_told(self) -> bool:
        """Tell whether no message is under way."""
        return all(delivery.done() for delivery in self._deliveries.values())

    async def finish(self) -> None:
        """Wait until everything is delivered or given up."""
        await asyncio.gather(*self._deliveries.values(), return_exceptions=True)

    def give_up(self) -> None:
        """Give up what is not delivered yet: it is owed no more."""
        for delivery in self._deliveries.values():
            delivery.cancel()

    async def _deliver(self, message: UUID) -> None:
        try:
            await workflow.execute_activity_method(
                NotificationActivities.deliver,
                DeliverMessage(message),
                **message_delivery("Tell the buyer"),
            )
        except FailureError as error:
            workflow.logger.warning("message_not_delivered", extra={"code": refusal_code(error)})
