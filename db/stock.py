"""Stock as people see it: what may be sold, levels, movements, adjustments. What orders do is in `db/inventory.py`."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.orders import Shortage
from db import backorders
from db.allocation import SERVES_DESTINATION
from models.columns import new_id
from models.inventory import MovementReason


@dataclass(frozen=True, slots=True)
class Level:
    """Stock of a SKU at one location: what may still be sold, and how much of it is held.

    What lies at a location that is not `active` is not sold.
    """

    location: str
    on_hand: int
    reserved: int
    active: bool

    @property
    def available(self) -> int:
        """Return what nobody holds yet."""
        return self.on_hand - self.reserved


@dataclass(frozen=True, slots=True)
class Stock:
    """All there is to know of the stock of a SKU.

    `sold_unshipped` was sold, taken out of `on_hand`, and is in no shipment yet: it lies there all the same.
    `backordered` was sold and is not there. `backorderable` is how much more may be sold without being there;
    `low_stock_at` is how little of it is little.
    """

    sku: str
    levels: tuple[Level, ...]
    sold_unshipped: int | None
    backordered: int
    backorder_limit: int
    low_stock_at: int | None

    @property
    def available(self) -> int:
        """Return what may be sold and is there."""
        return sum(level.available for level in self.levels if level.active)

    @property
    def backorderable(self) -> int:
        """Return what may be sold and is not there."""
        return max(self.backorder_limit - self.backordered, 0)


@dataclass(frozen=True, slots=True)
class Movement:
    """One change of `on_hand`."""

    id: UUID
    sku: str
    location: str
    delta: int
    reason: MovementReason
    note: str
    order_id: UUID | None
    actor: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A change of `on_hand` by a person; `delta` is never zero."""

    sku: str
    location: str
    delta: int
    reason: MovementReason
    note: str
    actor: str


STOCK = text("""
SELECT v.sku, coalesce(p.backordered, 0) AS backordered, coalesce(p.backorder_limit, 0) AS backorder_limit,
       p.low_stock_at, (
           SELECT json_agg(json_build_array(s.location, s.on_hand, s.reserved, l.active) ORDER BY s.location)
           FROM stock_levels s JOIN locations l ON l.code = s.location WHERE s.sku = v.sku
       ) AS levels, CASE WHEN CAST(:everything AS boolean) THEN (
           SELECT coalesce(sum(bought.quantity - sent.quantity), 0)::bigint
           FROM (
               SELECT DISTINCT l.order_id FROM order_lines l JOIN orders o ON o.id = l.order_id
               WHERE l.sku = v.sku AND l.shipped_quantity < l.quantity
                 AND o.status NOT IN ('failed', 'cancelled', 'closed')
           ) o
           CROSS JOIN LATERAL (
               SELECT sum(quantity) AS quantity FROM reservations r
               WHERE r.order_id = o.order_id AND r.sku = v.sku AND r.state = 'committed'
           ) bought
           CROSS JOIN LATERAL (
               SELECT sum(shipped_quantity) AS quantity FROM order_lines l
               WHERE l.order_id = o.order_id AND l.sku = v.sku
           ) sent
       ) END AS sold_unshipped
FROM variants v LEFT JOIN stock_policies p ON p.sku = v.sku
WHERE v.sku = :sku
""")

_LEFT = f"""
SELECT w.sku, w.requested, CASE WHEN served.somewhere THEN
           coalesce(there.available, 0) + coalesce(greatest(p.backorder_limit - p.backordered, 0), 0)
       ELSE 0 END AS available
FROM wanted w
CROSS JOIN (
    SELECT EXISTS (SELECT FROM locations l WHERE l.active AND {SERVES_DESTINATION})
) AS served (somewhere)
LEFT JOIN stock_policies p ON p.sku = w.sku
LEFT JOIN LATERAL (
    SELECT sum(s.on_hand - s.reserved)::bigint AS available
    FROM stock_levels s JOIN locations l ON l.code = s.location
    WHERE s.sku = w.sku AND l.active AND {SERVES_DESTINATION}
) there ON true
"""  # noqa: S608 - our own words

# The array comes out of a subquery, so that one plan is kept for all: planning costs five times the reading.
_SELLABLE = text(f"""
WITH destination AS (
    SELECT CAST(:country AS text) AS country
), wanted AS (
    SELECT sku, 0::bigint AS requested FROM unnest((SELECT CAST(:skus AS text[]))::text[]) AS w (sku)
)
{_LEFT}
""")  # noqa: S608 - our own words

MOVEMENTS = text("""
SELECT id, sku, location, delta, reason, note, order_id, actor, created_at
FROM stock_movements
WHERE sku = :sku AND (created_at, id) < (:before, :before_id)
ORDER BY created_at DESC, id DESC
LIMIT :limit
""")
NEWEST = (datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1))
"""The position before every movement."""

_RECEIVE = text("""
WITH level AS (
    INSERT INTO stock_levels AS s (sku, location, on_hand, reserved) VALUES (:sku, :location, :delta, 0)
    ON CONFLICT (sku, location) DO UPDATE SET on_hand = s.on_hand + excluded.on_hand
    RETURNING sku, location, on_hand, reserved
), moved AS (
    INSERT INTO stock_movements (id, sku, location, delta, reason, actor, note)
    SELECT :id, sku, location, :delta, :reason, :actor, :note FROM level
)
SELECT on_hand, reserved, (SELECT active FROM locations WHERE code = :location) AS active FROM level
""")
EVERYWHERE = """
WITH policy AS (
    SELECT low_stock_at FROM stock_policies WHERE sku = :sku FOR UPDATE
), everywhere AS (
    SELECT s.location, s.on_hand, s.reserved, s.on_hand - s.reserved AS available, l.active
    FROM stock_levels s JOIN locations l ON l.code = s.location
    WHERE s.sku = :sku AND (SELECT count(*) FROM policy) >= 0
    ORDER BY s.location
    FOR UPDATE OF s
)
"""
"""Locks all levels of `:sku`, in the order in which every hold locks them, behind its policy."""

ALERTED = """
alerted AS (
    INSERT INTO stock_alerts (id, sku, low_stock_at, available)
    SELECT uuidv7(), :sku, p.low_stock_at, r.after FROM policy p CROSS JOIN remaining r
    WHERE r.before > p.low_stock_at AND r.after <= p.low_stock_at
)
"""
"""Notes that what is available of `:sku` fell to its threshold, from what it was before to what `remaining` says."""

_REMOVE = text(f"""
{EVERYWHERE}, level AS (
    UPDATE stock_levels s SET on_hand = e.on_hand + :delta, reserved = e.reserved
    FROM everywhere e
    WHERE s.sku = :sku AND s.location = :location AND e.location = s.location AND e.on_hand + :delta >= e.reserved
    RETURNING s.sku, s.location, s.on_hand, s.reserved
), moved AS (
    INSERT INTO stock_movements (id, sku, location, delta, reason, actor, note)
    SELECT :id, sku, location, :delta, :reason, :actor, :note FROM level
), remaining AS (
    SELECT sum(available)::bigint AS before, sum(available)::bigint + :delta AS after FROM everywhere
    WHERE active AND EXISTS (SELECT FROM level) HAVING bool_or(location = :location)
), {ALERTED}
SELECT on_hand, reserved, (SELECT active FROM locations WHERE code = :location) AS active FROM level
""")  # noqa: S608 - our own words

_KNOWS = text("""
SELECT EXISTS (SELECT FROM variants WHERE sku = :sku), EXISTS (SELECT FROM locations WHERE code = :location)
""")
_SHORTAGES = text(f"""
WITH destination AS (
    SELECT shipping_address ->> 'country' AS country FROM orders WHERE id = :order_id
), wanted AS (
    SELECT sku, sum(quantity)::bigint AS requested FROM order_lines WHERE order_id = :order_id GROUP BY sku
)
SELECT sku, requested, available FROM ({_LEFT}) AS remaining WHERE available < requested ORDER BY sku
""")  # noqa: S608 - our own words


async def find(session: AsyncSession, sku: str, *, everything: bool = True) -> Stock | None:
    """Look up the stock of a SKU, or return None when there is no such SKU.

    What is not shipped yet is counted over every such order, and only if `everything` is wanted.
    """
    row = (await session.execute(STOCK, {"sku": sku, "everything": everything})).one_or_none()
    if row is None:
        return None
    levels = tuple(Level(*level) for level in row.levels or ())
    return Stock(row.sku, levels, row.sold_unshipped, row.backordered, row.backorder_limit, row.low_stock_at)


async def sellable(session: AsyncSession, skus: Collection[str], country: str | None = None) -> dict[str, int]:
    """Tell how much of each of these SKUs a checkout could sell now, in one statement however many they are.

    That is what lies at active places that ship to the country (where it is known), and what may be backordered.
    """
    rows = await session.execute(_SELLABLE, {"skus": sorted(set(skus)), "country": country})
    return {sku: available for sku, _, available in rows}


async def shortages(session: AsyncSession, order_id: UUID) -> list[Shortage]:
    """Tell which articles of an order there is too little of now."""
    rows = await session.execute(_SHORTAGES, {"order_id": order_id})
    return [Shortage(*row) for row in rows]


async def knows(session: AsyncSession, sku: str, location: str) -> tuple[bool, bool]:
    """Tell whether there is such a SKU and such a location."""
    sku_exists, location_exists = (await session.execute(_KNOWS, {"sku": sku, "location": location})).one()
    return sku_exists, location_exists


async def adjust(session: AsyncSession, adjustment: Adjustment) -> Level | None:
    """Change `on_hand` and write the movement that explains it, in one statement; then serve who waits for the goods.

    Returns the new level, or None when less would be left than is held. SKU and location have to exist.
    """
    values = {
        "id": new_id(),
        "sku": adjustment.sku,
        "location": adjustment.location,
        "delta": adjustment.delta,
        "reason": adjustment.reason,
        "actor": adjustment.actor,
        "note": adjustment.note,
    }
    if adjustment.delta < 0:
        row = (await session.execute(_REMOVE, values)).one_or_none()
        return None if row is None else Level(adjustment.location, *row)
    await backorders.lock(session, [adjustment.sku])
    row = (await session.execute(_RECEIVE, values)).one()
    given = await backorders.fill(session, [adjustment.sku])
    return Level(adjustment.location, row.on_hand - given[adjustment.location], row.reserved, row.active)


async def movements(
    session: AsyncSession, sku: str, *, limit: int, before: tuple[datetime, UUID] = NEWEST
) -> list[Movement]:
    """List the movements of a SKU, newest first, from before one of them on."""
    moment, movement = before
    values = {"sku": sku, "limit": limit, "before": moment, "before_id": movement}
    rows = await session.execute(MOVEMENTS, values)
    return [
        Movement(id_, row_sku, location, delta, MovementReason(reason), *rest)
        for id_, row_sku, location, delta, reason, *rest in rows
    ]
