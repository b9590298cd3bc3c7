"""Hand over to an order's workflow what a payment provider has reported."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from clients.orders import OrderClient
from db import orders, webhooks
from db.engine import Sessions, single_statements
from db.webhooks import StoredEvent
from domain.errors import NotFoundError
from domain.order_states import ENDED
from domain.payment_events import ProviderEvent
from models.webhooks import WebhookReason, WebhookState


class PaymentEventDesk:
    """Hands stored events over, each as often as it takes: a workflow that is told twice looks twice and acts once.

    `hold` is how long the stock of an order may be held that goes on from its row.
    """

    def __init__(self, sessions: Sessions, orders: OrderClient, hold: timedelta) -> None:
        self._statements = single_statements(sessions)
        self._orders = orders
        self._hold = hold

    async def receive(self, reported: ProviderEvent) -> WebhookState:
        """Store an event once, and hand it over, as `hand_over` does."""
        async with self._statements() as session:
            event = await webhooks.record(session, reported)
        return await self.hand_over(event)

    async def hand_over(self, event: StoredEvent) -> WebhookState:
        """Tell the order of an event that it has to hear, note what came of it, and return that.

        An order that is over is told nothing; one that is open and has no workflow goes on from its row. An event whose
        order nobody knows is parked: it is looked at again, and reconciliation sees its payment.

        Raises:
            TemporarilyUnavailableError: Temporal is away; the event stays as it is.
        """
        if event.state is not WebhookState.RECEIVED:
            return event.state
        state, reason = await self._told(event)
        async with self._statements() as session:
            await webhooks.settle(session, event, state, reason)
        return state

    async def _told(self, event: StoredEvent) -> tuple[WebhookState, WebhookReason | None]:
        if event.order_id is None:
            return WebhookState.PARKED, WebhookReason.UNKNOWN_ORDER
        try:
            await self._orders.payment_event(event.order_id, event.news)
        except NotFoundError:
            return await self._told_by_row(event.order_id, event)
        return WebhookState.DELIVERED, None

    async def _told_by_row(self, order_id: UUID, event: StoredEvent) -> tuple[WebhookState, WebhookReason | None]:
        """Find out why the order has no workflow, and give it one if it needs one."""
        async with self._statements() as session:
            status = await orders.status(session, order_id)
            if status is None:
                return WebhookState.PARKED, WebhookReason.UNKNOWN_ORDER
            if status in ENDED:
                return WebhookState.IGNORED, WebhookReason.ORDER_OVER
            start = await orders.restart(session, order_id)
        await self._orders.resume(replace(start, hold=self._hold), told=event.news)
        return WebhookState.DELIVERED, None
