"""Steps of an order that only touch PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from activities.refusals import refusals
from contracts import orders as contract
from contracts.orders import (
    AdvanceOrder,
    AnswerPayment,
    CancelStep,
    FlagOrder,
    NoteDispute,
    OrderSnapshot,
    OrderStep,
    PlaceOrder,
    RequirePayment,
    RetryPayment,
)
from db import awaited_payments, checkout, order_log, orders
from db.engine import Sessions
from domain.order_states import EventType


class OrderActivities(contract.OrderActivities):
    """Implements the steps on PostgreSQL: each method is one transaction."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @asynccontextmanager
    async def _step(self) -> AsyncIterator[AsyncSession]:
        """Open the one transaction of a step; what trying again can not change is refused for good."""
        with refusals():
            async with self._sessions.begin() as session:
                yield session

    @activity.defn(name="orders.open")
    async def open(self, request: PlaceOrder) -> OrderSnapshot:
        """Freeze and price the cart, write the order and hold the stock; or load the order that exists already."""
        async with self._step() as session:
            return await checkout.open_order(session, request)

    @activity.defn(name="orders.look")
    async def look(self, request: OrderStep) -> OrderSnapshot:
        """Load the order as its row stands."""
        async with self._step() as session:
            return await orders.snapshot(session, request.order_id)

    @activity.defn(name="orders.begin_cancel")
    async def begin_cancel(self, request: CancelStep) -> OrderSnapshot:
        """Fence the order against `open` and every other step, even one that has not begun yet."""
        async with self._step() as session:
            return await checkout.begin_cancel(session, request)

    @activity.defn(name="orders.finish_cancel")
    async def finish_cancel(self, request: OrderStep) -> OrderSnapshot:
        """Undo `open`, and `place` where it came to that: release the stock, end the order, reopen its cart."""
        async with self._step() as session:
            return await checkout.finish_cancel(session, request.order_id)

    @activity.defn(name="orders.place")
    async def place(self, request: OrderStep) -> OrderSnapshot:
        """Commit the stock, place the order and write down the message that the buyer is owed."""
        async with self._step() as session:
            return await checkout.place_order(session, request.order_id)

    @activity.defn(name="orders.require_payment")
    async def require_payment(self, request: RequirePayment) -> OrderSnapshot:
        """Let the order wait for its buyer, or for its next retry, and owe the buyer the message that says so."""
        async with self._step() as session:
            return await awaited_payments.require_payment(session, request)

    @activity.defn(name="orders.retry_payment")
    async def retry_payment(self, request: RetryPayment) -> OrderSnapshot:
        """Begin the next payment attempt; where the stock was let go and is sold by now, the order has failed."""
        async with self._step() as session:
            return await awaited_payments.retry_payment(session, request)

    @activity.defn(name="orders.answer_payment")
    async def answer_payment(self, request: AnswerPayment) -> OrderSnapshot:
        """Go on with an attempt that has waited for the buyer's bank."""
        async with self._step() as session:
            return await awaited_payments.answer_payment(session, request)

    @activity.defn(name="orders.note_collected")
    async def note_collected(self, request: OrderStep) -> OrderSnapshot:
        """Record that money which is paid at delivery is here."""
        async with self._step() as session:
            return await awaited_payments.note_collected(session, request.order_id)

    @activity.defn(name="orders.let_go")
    async def let_go(self, request: OrderStep) -> OrderSnapshot:
        """Release the stock of an order that is being undone, while its money is still on its way back."""
        async with self._step() as session:
            return await checkout.let_go(session, request.order_id)

    @activity.defn(name="orders.note_dispute")
    async def note_dispute(self, request: NoteDispute) -> OrderSnapshot:
        """Record a dispute and call an operator; or that it is over, and that none is needed for it any more."""
        async with self._step() as session:
            return await awaited_payments.note_dispute(session, request)

    @activity.defn(name="orders.expire")
    async def expire(self, request: OrderStep) -> OrderSnapshot:
        """Release the stock of an order that nobody paid, and reopen its cart."""
        async with self._step() as session:
            return await checkout.expire(session, request.order_id)

    @activity.defn(name="orders.advance")
    async def advance(self, request: AdvanceOrder) -> OrderSnapshot:
        """Record a step of fulfilment."""
        async with self._step() as session:
            await order_log.advance(
                session, request.order_id, request.event, actor=request.actor, reason=request.reason
            )
            return await orders.snapshot(session, request.order_id)

    @activity.defn(name="orders.flag")
    async def flag(self, request: FlagOrder) -> OrderSnapshot:
        """Call an operator, or record that one has decided."""
        async with self._step() as session:
            if request.needs_operator:
                event = EventType.OPERATOR_NEEDED
                changed = await orders.flag(session, request.order_id, reason=request.reason)
            else:
                event = EventType.OPERATOR_RESOLVED
                changed = await orders.clear_flag(session, request.order_id)
            if changed:
                await order_log.annotate(
                    session,
                    request.order_id,
                    event,
                    actor=request.actor,
                    reason=request.reason,
                    note_id=request.note_id,
                )
            return await orders.snapshot(session, request.order_id)
