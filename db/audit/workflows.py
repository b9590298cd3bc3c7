"""I5: which orders should have a workflow, and which may."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.audit.checks import Invariant
from domain.order_states import ENDED

ALL_ALIVE = Invariant("I5", "Every open order has a running workflow, and every running order workflow an order", ())
"""No query can tell; see `cli.audit.workflows`."""

_OPEN = text("SELECT id FROM orders WHERE status <> ALL(CAST(:ended AS text[]))")

_UNFINISHED = text("""
SELECT id FROM orders WHERE status <> ALL(CAST(:ended AS text[]))
UNION SELECT id FROM orders WHERE refunding_amount > 0
UNION SELECT order_id FROM notifications WHERE order_id IS NOT NULL AND state IN ('pending', 'sending')
""")

_STANDING = text("""
SELECT o.id, o.number, o.status,
       EXISTS (SELECT FROM notifications n WHERE n.order_id = o.id AND n.state IN ('pending', 'sending')) AS telling
FROM orders o WHERE o.id = ANY(CAST(:orders AS uuid[]))
""")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an order stands. `telling`: a message to its buyer is still to be delivered."""

    order_id: UUID
    number: str
    status: str
    telling: bool

    @property
    def needs_workflow(self) -> bool:
        """Tell whether the order is open."""
        return self.status not in ENDED

    @property
    def may_have_workflow(self) -> bool:
        """Tell whether a workflow has anything left to do."""
        return self.needs_workflow or self.telling


async def open_orders(session: AsyncSession) -> AsyncIterator[UUID]:
    """List the orders that are not over, whatever their number."""
    async for (order_id,) in await session.stream(_OPEN, {"ended": sorted(ENDED)}):
        yield order_id


async def unfinished_orders(session: AsyncSession) -> AsyncIterator[UUID]:
    """List the orders that a workflow has something to do for: also those that are over and owe money or a message."""
    async for (order_id,) in await session.stream(_UNFINISHED, {"ended": sorted(ENDED)}):
        yield order_id


async def standings(session: AsyncSession, orders: Collection[UUID]) -> Sequence[Standing]:
    """Look up where orders stand; those that have no row are left out."""
    return [Standing(*row) for row in await session.execute(_STANDING, {"orders": list(orders)})]
