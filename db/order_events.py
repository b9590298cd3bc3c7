"""The events of many orders as they come, for those who follow them.

An event's id is its place in its order's story: whoever writes one has locked the order before the id is drawn
(`db.order_log`), so none ever appears before another that was there already.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

AT_ONCE = 100
"""Events of one order that are told at once; the others are told next."""

_AFTER = text("""
SELECT e.order_id, e.id, e.created_at, e.type, e.from_status, e.to_status, e.actor, e.reason
FROM unnest(CAST(:orders AS uuid[]), CAST(:positions AS bigint[])) AS w (order_id, position)
CROSS JOIN LATERAL (
    SELECT * FROM order_events e WHERE e.order_id = w.order_id AND e.id > w.position ORDER BY e.id LIMIT :most
) e
ORDER BY e.id
""")

_IS_MORE = text("SELECT EXISTS (SELECT FROM order_events WHERE order_id = :order_id AND id > :position)")


@dataclass(frozen=True, slots=True)
class PlacedEvent:
    """One entry of an order's timeline, with its place."""

    order_id: UUID
    id: int
    at: datetime
    type: str
    source: str | None
    target: str
    actor: str
    reason: str | None


async def after(session: AsyncSession, positions: Mapping[UUID, int]) -> Sequence[PlacedEvent]:
    """List what has happened to each of these orders after a place in its story, `AT_ONCE` events of each at most."""
    values = {"orders": list(positions), "positions": list(positions.values()), "most": AT_ONCE}
    return [PlacedEvent(*row) for row in await session.execute(_AFTER, values)]


async def is_more(session: AsyncSession, order_id: UUID, position: int) -> bool:
    """Tell whether anything has happened to an order after a place in its story."""
    return bool((await session.execute(_IS_MORE, {"order_id": order_id, "position": position})).scalar_one())
