"""Hand over to an order's workflow what a payment provider has reported."""

from dataclasses import replace
from datetime import timedelta

from clients.orders import OrderClient
from db import orders, webhooks
from db.engine import Sessions
from db.webhooks import StoredEvent
from domain.errors import NotFoundError
from domain.order_states import ENDED
from models.webhooks import WebhookReason, WebhookState


class PaymentEventDesk:
    """Hands stored events over, each as often as it takes: a workflow that is told twice looks twice and acts once.

    `hold` is how long the stock of an order may be held that goes on from its row.
    """

    def __init__(self, sessions: Sessions, orders: OrderClient, hold: timedelta) -> None:
        self._sessions = sessions
        self._orders = orders
        self._hold = hold

    async def hand_over(self, event: StoredEvent) -> WebhookState:
        """Tell the event's order, note what came of it, and return that.

        An order that is over is told nothing, nor one whose row says the same already, which is most of what a provider
        reports; one that is open and has no workflow goes on from its row. An event whose order nobody knows is
        parked: it is looked at again, and reconciliation sees its payment.

        Raises:
            TemporarilyUnavailableError: Temporal is away; the event stays as it is.
        """
        if event.state in {WebhookState.DELIVERED, WebhookState.IGNORED}:
            return event.state
        state, reason = await self._told(event)
        async with self._sessions.begin() as session:
            await webhooks.settle(session, event, state, reason)
        return state

    async def _told(self, event: StoredEvent) -> tuple[WebhookState, WebhookReason | None]:
        if event.order_id is None:
            return WebhookState.PARKED, WebhookReason.UNKNOWN_ORDER
        async with self._sessions.begin() as session:
            if await webhooks.is_known(session, event):
                return WebhookState.IGNORED, WebhookReason.KNOWN
        try:
            await self._orders.payment_event(event.order_id, event.news)
        except NotFoundError:
            return await self._told_by_row(event)
        return WebhookState.DELIVERED, None

    async def _told_by_row(self, event: StoredEvent) -> tuple[WebhookState, WebhookReason | None]:
        """Find out why the order has no workflow, and give it one if it needs one."""
        if event.order_id is None:
            raise NotFoundError
        async with self._sessions.begin() as session:
            status = await orders.status(session, event.order_id)
            if status is None:
                return WebhookState.PARKED, WebhookReason.UNKNOWN_ORDER
            if status in ENDED:
                return WebhookState.IGNORED, WebhookReason.ORDER_OVER
            start = await orders.restart(session, event.order_id)
        await self._orders.resume(replace(start, hold=self._hold), told=event.news)
        return WebhookState.DELIVERED, None
