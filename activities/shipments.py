"""Shipments on PostgreSQL: each step is one transaction.

Where their money is captured, `activities.payments` does that between beginning and sending one.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from activities.refusals import refusals
from contracts import shipments as contract
from contracts.orders import OrderSnapshot
from contracts.shipments import AbandonShipment, BeginShipment, CancelRest, DeliverShipments, ShipmentStep
from db import notifications, order_log, orders, shipments, unshipped
from db.engine import Sessions
from domain.order_states import EventType, OrderStatus


class ShipmentActivities(contract.ShipmentActivities):
    """Implements shipments. `close_after` is how long after its arrival an order stays open for a return."""

    def __init__(self, sessions: Sessions, close_after: timedelta) -> None:
        self._sessions = sessions
        self._close_after = close_after

    @asynccontextmanager
    async def _step(self) -> AsyncIterator[AsyncSession]:
        with refusals():
            async with self._sessions.begin() as session:
                yield session

    @activity.defn(name="shipments.begin")
    async def begin(self, request: BeginShipment) -> OrderSnapshot:
        """Set the goods aside, and write down what is to be captured for them; without that they are sent at once."""
        async with self._step() as session:
            if not await shipments.begin(session, request):
                await _send(session, request.order_id, request.shipment_id)
            return await orders.snapshot(session, request.order_id)

    @activity.defn(name="shipments.send")
    async def send(self, request: ShipmentStep) -> OrderSnapshot:
        """Note that the goods have left the house, and write down the message that the buyer is owed."""
        async with self._step() as session:
            await _send(session, request.order_id, request.shipment_id)
            return await orders.snapshot(session, request.order_id)

    @activity.defn(name="shipments.abandon")
    async def abandon(self, request: AbandonShipment) -> OrderSnapshot:
        """Put goods back whose money could not be taken, and call an operator."""
        async with self._step() as session:
            order_id, reason = request.order_id, "capture_declined"
            if await shipments.abandon(session, request.shipment_id, request.code) and await orders.flag(
                session, order_id, reason=reason
            ):
                await order_log.annotate(session, order_id, EventType.OPERATOR_NEEDED, actor="system", reason=reason)
            return await orders.snapshot(session, order_id)

    @activity.defn(name="shipments.deliver")
    async def deliver(self, request: DeliverShipments) -> OrderSnapshot:
        """Note what has arrived; once everything has, the time for returns begins."""
        async with self._step() as session:
            order_id, actor = request.order_id, request.actor
            arrived = await shipments.deliver(session, order_id, request.shipment_id)
            standing = await orders.status(session, order_id)
            if standing is OrderStatus.FULFILLING or not await shipments.everything_arrived(session, order_id):
                if arrived:
                    await order_log.annotate(session, order_id, EventType.PARTIALLY_DELIVERED, actor=actor, reason=None)
            else:
                await self._note_arrival(session, order_id, actor)
            return await orders.snapshot(session, order_id)

    @activity.defn(name="shipments.cancel_rest")
    async def cancel_rest(self, request: CancelRest) -> OrderSnapshot:
        """Cancel what was not shipped, and write down what the buyer is told; the rest may all have arrived."""
        async with self._step() as session:
            order_id = request.order_id
            if await unshipped.cancel(session, request):
                await notifications.owe(session, order_id, "rest_cancelled")
                if await shipments.everything_arrived(session, order_id):
                    await self._note_arrival(session, order_id, request.actor)
            return await orders.snapshot(session, order_id)

    async def _note_arrival(self, session: AsyncSession, order_id: UUID, actor: str) -> None:
        """Note that everything is with the buyer, once: from now on it can be returned."""
        if await order_log.advance(session, order_id, EventType.DELIVERED, actor=actor):
            await orders.close_after(session, order_id, self._close_after)


async def _send(session: AsyncSession, order_id: UUID, shipment_id: UUID) -> None:
    """Note that a shipment has left, with its event and its message, once.

    Raises:
        IllegalTransitionError: the order can not be shipped any more.
    """
    sent = await shipments.send(session, shipment_id)
    if sent is None:
        return
    if await shipments.everything_sent(session, order_id):
        await order_log.advance(session, order_id, EventType.SHIPPED, actor=sent.actor)
    else:
        await order_log.advance(session, order_id, EventType.FULFILMENT_STARTED, actor=sent.actor)
        await order_log.annotate(session, order_id, EventType.PARTIALLY_SHIPPED, actor=sent.actor, reason=None)
    await notifications.owe(session, order_id, "shipment", sent.n)
