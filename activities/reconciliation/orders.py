"""Orders beside their workflows: each open order has one that knows no more than its row."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from activities.reconciliation.adopting import ACTOR
from activities.reconciliation.burying import bury
from activities.reconciliation.journal import Journal
from activities.reconciliation.rounds import Round
from contracts.orders import Cancel, PlaceOrder
from db import order_log, orders
from db.reconciliation import books
from db.reconciliation.reports import NewFinding
from domain.order_states import ENDED, EventType, OrderStatus
from domain.reconciliation import KIND_OF, FindingKind, Remedy, WorkflowStanding, remedy

_PAGE = 100


class OrderRound(Round):
    """Compares every open order that has been left alone since `before`, and every workflow that is as old."""

    async def open_orders(self, journal: Journal) -> None:
        """Give every open order a workflow that goes on from its row.

        What looks wrong in the list is looked up again, the workflow before the row: a row that was read later can not
        be behind, unless it was restored.
        """
        after: tuple[str, UUID] = books.BEGINNING
        while page := await self._page(after):
            listed = await self._standings.running([order_id for _, order_id in page])
            for status, order_id in page:
                journal.orders += 1
                if order_id not in listed or remedy(status, listed[order_id]) is not None:
                    async with journal.carefully(order_id):
                        await self._look_again(order_id, journal)
            after = page[-1]

    async def strays(self, journal: Journal) -> None:
        """End the workflows whose order had a row and has none any more: nothing that they try can succeed.

        Those whose order is over, and do not know, are told to look.
        """
        async for page in self._standings.all_running():
            journal.workflows += len(page)
            old = {one.order_id: one for one in page if one.began_at < self._before}
            async with self._sessions.begin() as session:
                rows = await books.statuses(session, old)
            for order_id, workflow in old.items():
                async with journal.carefully(order_id):
                    if order_id not in rows:
                        await self._end(workflow, journal)
                    elif rows[order_id] in ENDED and remedy(rows[order_id], workflow) is not None:
                        await self._look_again(order_id, journal)

    async def _page(self, after: tuple[str, UUID]) -> Sequence[tuple[OrderStatus, UUID]]:
        async with self._sessions.begin() as session:
            return await books.open_orders(session, after=after, before=self._before, limit=_PAGE)

    async def _look_again(self, order_id: UUID, journal: Journal) -> None:
        workflow = await self._standings.one(order_id)
        async with self._sessions.begin() as session:
            row = await books.standing(session, order_id, before=self._before)
        if row is None or not row.at_rest:
            return
        wanted = remedy(row.status, workflow)
        if wanted is None:
            return
        await self._apply(wanted, order_id, journal)

    async def _apply(self, wanted: Remedy, order_id: UUID, journal: Journal) -> None:
        finding = NewFinding(KIND_OF[wanted], order_id)
        if wanted is Remedy.CALL_OPERATOR:
            await self._flag(order_id, KIND_OF[wanted])
            await journal.park(finding)
        if wanted is Remedy.LOOK_AT_ROW:
            await self._starts.look_at_row(order_id)
        else:
            await self._start(wanted, replace(await self._adoption.start(order_id), hold=self._hold))
        if wanted is not Remedy.CALL_OPERATOR:
            await journal.heal(finding)

    async def _start(self, wanted: Remedy, order: PlaceOrder) -> None:
        match wanted:
            case Remedy.RESUME:
                await self._starts.resume(order)
            case Remedy.CANCEL_AGAIN:
                await self._starts.begin_anew(order, told=Cancel("reconciled", ACTOR))
            case _:
                await self._starts.begin_anew(order)

    async def _flag(self, order_id: UUID, reason: str) -> None:
        async with self._sessions.begin() as session:
            if await orders.flag(session, order_id, reason=reason):
                needed = EventType.OPERATOR_NEEDED
                await order_log.annotate(session, order_id, needed, actor=ACTOR, reason=reason)

    async def _end(self, listed: WorkflowStanding, journal: Journal) -> None:
        order_id = listed.order_id
        workflow = await self._standings.one(order_id)
        if workflow is None or not workflow.running:
            return
        await self._standings.end(order_id, FindingKind.ROW_LOST)
        await bury(self._sessions, order_id, workflow.cart_id)
        await journal.heal(NewFinding(FindingKind.ROW_LOST, order_id))
