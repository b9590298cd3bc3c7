"""I5: every open order has a running workflow, and every running order workflow an order that needs it.

Temporal's list of what is running follows the truth by about a second. Whatever looks wrong is therefore looked up
again, by the order's row and by what Temporal knows of that one workflow, until it is right or the time is over.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from clients.orders import OrderClient
from db.audit.checks import Finding, Tally
from db.audit.workflows import Standing, open_orders, standings
from db.engine import Sessions

_AT_ONCE = 20
_PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class Suspects:
    """Orders of which the row and Temporal's list do not agree, out of so many that were compared."""

    compared: int
    orders: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class _Wrong:
    order_id: UUID
    standing: Standing | None
    running: bool

    def row(self) -> dict[str, object]:
        number, status = (self.standing.number, self.standing.status) if self.standing else (None, None)
        return {"order_id": self.order_id, "number": number, "status": status, "workflow_running": self.running}


async def compare(session: AsyncSession, running: Collection[UUID]) -> Suspects:
    """Compare the open orders with the workflows that were listed as running."""
    strays = set(running)
    alone = set()
    opened = 0
    async for order_id in open_orders(session):
        opened += 1
        if order_id in strays:
            strays.remove(order_id)
        else:
            alone.add(order_id)
    return Suspects(opened + len(strays), frozenset(alone | strays))


async def look_again(
    sessions: Sessions, client: OrderClient, suspects: Suspects, patience: timedelta
) -> tuple[Finding, ...]:
    """Look suspects up until all is right or the time is over, and return what is still wrong."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience.total_seconds()
    wrong = await _wrong(sessions, client, suspects.orders)
    while wrong and loop.time() < end:
        await asyncio.sleep(min(_PAUSE, end - loop.time()))
        wrong = await _wrong(sessions, client, [one.order_id for one in wrong])
    return (
        _finding("order_has_workflow", "an open order has a running workflow", suspects, wrong, running=False),
        _finding("workflow_has_order", "a running workflow has an order that needs it", suspects, wrong, running=True),
    )


async def _wrong(sessions: Sessions, client: OrderClient, orders: Collection[UUID]) -> list[_Wrong]:
    wrong: list[_Wrong] = []
    for some in _batches(sorted(orders)):
        running = await asyncio.gather(*(client.is_running(order_id) for order_id in some))
        async with sessions() as session:
            known = {standing.order_id: standing for standing in await standings(session, some)}
        wrong += [
            _Wrong(order_id, known.get(order_id), runs)
            for order_id, runs in zip(some, running, strict=True)
            if not _agrees(known.get(order_id), running=runs)
        ]
    return wrong


def _agrees(standing: Standing | None, *, running: bool) -> bool:
    if running:
        return standing is not None and standing.may_have_workflow
    return standing is None or not standing.needs_workflow


def _batches(orders: Sequence[UUID]) -> list[Sequence[UUID]]:
    return [orders[start : start + _AT_ONCE] for start in range(0, len(orders), _AT_ONCE)]


def _finding(name: str, says: str, suspects: Suspects, wrong: list[_Wrong], *, running: bool) -> Finding:
    tally = Tally()
    for one in wrong:
        if one.running is running:
            tally.add(one.row())
    return tally.finding(name, says, suspects.compared)
