"""What an operator can do: find and show orders in the database, and change them through their workflows only."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from clients.orders import Accepted, OrderClient
from contracts.orders import Cancel, Decision, OrderOutcome, OrderSnapshot, PlaceOrder, Resolve
from db import orders, payments
from db.audit.workflows import unfinished_orders
from db.engine import Sessions
from db.orders import OrderEventView, OrderSearch, OrderView
from db.payments import Operation
from domain.errors import IllegalStepError, NotFoundError
from domain.order_states import ENDED, OrderStatus
from models.columns import new_id
from models.payments import PaymentOperationKind

_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class OrderFile:
    """Everything about one order. `running` is None when Temporal could not be asked."""

    order: OrderView
    snapshot: OrderSnapshot
    timeline: Sequence[OrderEventView]
    operations: Sequence[Operation]
    running: bool | None


class OrderDesk:
    """One method for each thing that an operator wants. An order goes by its number or its id."""

    def __init__(self, sessions: Sessions, client: OrderClient, hold: timedelta) -> None:
        self._sessions = sessions
        self._client = client
        self._hold = hold

    async def list(
        self, *, limit: int, status: OrderStatus | None = None, needs_operator: bool = False
    ) -> Sequence[OrderView]:
        """List orders, newest first."""
        wanted = OrderSearch(limit=limit, status=status, needs_operator=needs_operator)
        async with self._sessions() as session:
            return await orders.search(session, wanted)

    async def file(self, which: str) -> OrderFile:
        """Look up everything about an order.

        Raises:
            NotFoundError: there is no such order.
        """
        async with self._sessions() as session:
            order = await _find(session, which)
            snapshot = await orders.snapshot(session, order.id)
            timeline = await orders.timeline(session, order.id)
            operations = await _operations(session, snapshot)
        running = await self._client.is_running(order.id) if await self._client.reachable() else None
        return OrderFile(order, snapshot, timeline, operations, running)

    async def cancel(
        self, which: str, reason: str, actor: str, *, wait: timedelta, rest_only: bool = False
    ) -> OrderOutcome | Accepted:
        """Cancel an order: compensated before shipment, recorded after it. One whose workflow is gone is resumed first.

        Raises:
            NotFoundError: there is no such order.
            EverorderError: its state does not allow it, or Temporal is away.
        """
        await self._wake(which)
        order_id, code, note_id = await self._note(which, reason, actor, usual="requested")
        return await self._client.cancel(order_id, Cancel(code, actor, note_id, rest_only), wait=wait)

    async def resolve(
        self, which: str, decision: Decision, reason: str, actor: str, *, wait: timedelta
    ) -> OrderOutcome | Accepted:
        """Decide about an order that needs an operator. One without a workflow, also one that is over, gets one again.

        Raises:
            NotFoundError: there is no such order.
            EverorderError: it does not need an operator, or Temporal is away.
        """
        async with self._sessions() as session:
            needed = (await _find(session, which)).needs_operator
        if not needed:
            await self._wake(which)
        order_id, code, note_id = await self._note(which, reason, actor, usual="resolved")
        again = await self._again(order_id)
        return await self._client.resolve(again, Resolve(decision, code, actor, note_id), wait=wait)

    async def resume(self, which: str) -> bool:
        """Give an order a workflow again. False: one is running.

        Raises:
            NotFoundError: there is no such order.
            IllegalStepError: it is over, and nothing is left to be done for it.
            TemporarilyUnavailableError: Temporal is away.
        """
        async with self._sessions() as session:
            order = await orders.snapshot(session, (await _find(session, which)).id)
        if await self._client.is_running(order.order_id):
            return False
        if order.status in ENDED and not order.messages and not order.refunding:
            raise IllegalStepError(f"{which} is {order.status}: it is over, and nothing is left to be done for it")
        await self._start(order.order_id)
        return True

    async def resume_all(self) -> int:
        """Give every order a workflow that needs one and has none, and return how many had none.

        Raises:
            TemporarilyUnavailableError: Temporal is away.
        """
        running = {order_id async for order_id in self._client.running()}
        async with self._sessions() as session:
            alone = [order_id async for order_id in unfinished_orders(session) if order_id not in running]
        resumed = 0
        for start in range(0, len(alone), _AT_ONCE):
            resumed += sum(await asyncio.gather(*(self._resume(one) for one in alone[start : start + _AT_ONCE])))
        return resumed

    async def _wake(self, which: str) -> None:
        """Give an order a workflow to be asked, unless it is over."""
        async with self._sessions() as session:
            order = await _find(session, which)
        if order.status not in ENDED:
            await self._resume(order.id)
        elif not await self._client.is_running(order.id):
            raise IllegalStepError(f"nothing is left to be decided: {which} is {order.status}")

    async def _resume(self, order_id: UUID) -> bool:
        if await self._client.is_running(order_id):
            return False
        await self._start(order_id)
        return True

    async def _start(self, order_id: UUID) -> None:
        await self._client.resume(await self._again(order_id))

    async def _again(self, order_id: UUID) -> PlaceOrder:
        """Look up what starts a workflow that goes on from the order's row."""
        async with self._sessions() as session:
            start = await orders.restart(session, order_id)
        return replace(start, hold=self._hold)

    async def _note(self, which: str, reason: str, actor: str, *, usual: str) -> tuple[UUID, str, UUID | None]:
        """Find the order, and split a reason into a code and a note: no free text may enter a workflow's history."""
        async with self._sessions.begin() as session:
            order_id = (await _find(session, which)).id
            if _CODE.fullmatch(reason):
                return order_id, reason, None
            note_id = new_id()
            await orders.add_note(session, order_id, note_id, reason, actor)
        return order_id, usual, note_id


async def _find(session: AsyncSession, which: str) -> OrderView:
    try:
        order = await orders.find(session, UUID(which))
    except ValueError:
        order = next(iter(await orders.search(session, OrderSearch(limit=1, number=which))), None)
    if order is None:
        raise NotFoundError(f"there is no order {which}")
    return order


async def _operations(session: AsyncSession, order: OrderSnapshot) -> Sequence[Operation]:
    """List an order's payment operations, attempt by attempt."""
    found = [
        await payments.find(session, order.order_id, kind, attempt)
        for attempt in range(1, order.payment_attempt + 1)
        for kind in PaymentOperationKind
    ]
    return [operation for operation in found if operation is not None]
