"""Stock as the staff sees it: levels, movements, locations, adjustments. What orders hold is in `db/inventory.py`."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.orders import Shortage
from models.columns import new_id
from models.inventory import DEFAULT_LOCATION, MovementReason


@dataclass(frozen=True, slots=True)
class Level:
    """Stock of a SKU at one location: what may still be sold, and how much of it is held."""

    location: str
    on_hand: int
    reserved: int

    @property
    def available(self) -> int:
        """Return what nobody holds yet."""
        return self.on_hand - self.reserved


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
class LocationRow:
    """A place that holds stock."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A change of `on_hand` by a person; `delta` is never zero."""

    sku: str
    location: str
    delta: int
    reason: MovementReason
    note: str
    actor: str


_LEVELS = text("""
SELECT v.sku, s.location, s.on_hand, s.reserved
FROM variants v LEFT JOIN stock_levels s ON s.sku = v.sku
WHERE v.sku = :sku
ORDER BY s.location
""")

_SELLABLE = text("""
SELECT w.sku, coalesce(s.on_hand - s.reserved, 0) AS available
FROM unnest(CAST(:skus AS text[])) AS w (sku)
LEFT JOIN stock_levels s ON s.sku = w.sku AND s.location = :location
""")

_MOVEMENTS = text("""
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
SELECT location, on_hand, reserved FROM level
""")
_REMOVE = text("""
WITH level AS (
    UPDATE stock_levels SET on_hand = on_hand + :delta
    WHERE sku = :sku AND location = :location AND on_hand + :delta >= reserved
    RETURNING sku, location, on_hand, reserved
), moved AS (
    INSERT INTO stock_movements (id, sku, location, delta, reason, actor, note)
    SELECT :id, sku, location, :delta, :reason, :actor, :note FROM level
)
SELECT location, on_hand, reserved FROM level
""")

_KNOWS = text("""
SELECT EXISTS (SELECT FROM variants WHERE sku = :sku), EXISTS (SELECT FROM locations WHERE code = :location)
""")
_SHORTAGES = text("""
SELECT w.sku, w.requested, coalesce(s.on_hand - s.reserved, 0) AS available
FROM (SELECT sku, sum(quantity)::bigint AS requested FROM order_lines WHERE order_id = :order_id GROUP BY sku) w
LEFT JOIN stock_levels s ON s.sku = w.sku AND s.location = :location
WHERE coalesce(s.on_hand - s.reserved, 0) < w.requested
ORDER BY w.sku
""")
_LOCATIONS = text("SELECT code, name FROM locations WHERE code > :after ORDER BY code LIMIT :limit")
_ADD_LOCATION = text("""
INSERT INTO locations (code, name) VALUES (:code, :name) ON CONFLICT (code) DO NOTHING RETURNING code, name
""")


async def levels(session: AsyncSession, sku: str) -> list[Level] | None:
    """List the levels of a SKU by location, or return None when there is no such SKU."""
    rows = (await session.execute(_LEVELS, {"sku": sku})).all()
    if not rows:
        return None
    return [Level(row.location, row.on_hand, row.reserved) for row in rows if row.location is not None]


async def sellable(session: AsyncSession, skus: Collection[str]) -> dict[str, int]:
    """Tell how much of each of these SKUs can be sold now, in one statement however many they are."""
    rows = await session.execute(_SELLABLE, {"skus": sorted(set(skus)), "location": DEFAULT_LOCATION})
    return {row.sku: row.available for row in rows}


async def shortages(session: AsyncSession, order_id: UUID) -> list[Shortage]:
    """Tell which articles of an order there is too little of now."""
    rows = await session.execute(_SHORTAGES, {"order_id": order_id, "location": DEFAULT_LOCATION})
    return [Shortage(*row) for row in rows]


async def knows(session: AsyncSession, sku: str, location: str) -> tuple[bool, bool]:
    """Tell whether there is such a SKU and such a location."""
    sku_exists, location_exists = (await session.execute(_KNOWS, {"sku": sku, "location": location})).one()
    return sku_exists, location_exists


async def adjust(session: AsyncSession, adjustment: Adjustment) -> Level | None:
    """Change `on_hand` and write the movement that explains it, in one statement.

    Returns the new level, or None when less would be left than is held. SKU and location have to exist.
    """
    statement = _RECEIVE if adjustment.delta > 0 else _REMOVE
    values = {
        "id": new_id(),
        "sku": adjustment.sku,
        "location": adjustment.location,
        "delta": adjustment.delta,
        "reason": adjustment.reason,
        "actor": adjustment.actor,
        "note": adjustment.note,
    }
    row = (await session.execute(statement, values)).one_or_none()
    return None if row is None else Level(*row)


async def movements(
    session: AsyncSession, sku: str, *, limit: int, before: tuple[datetime, UUID] = NEWEST
) -> list[Movement]:
    """List the movements of a SKU, newest first, from before one of them on."""
    moment, movement = before
    values = {"sku": sku, "limit": limit, "before": moment, "before_id": movement}
    rows = await session.execute(_MOVEMENTS, values)
    return [
        Movement(id_, row_sku, location, delta, MovementReason(reason), *rest)
        for id_, row_sku, location, delta, reason, *rest in rows
    ]


async def locations(session: AsyncSession, *, limit: int, after: str = "") -> list[LocationRow]:
    """List the locations by code, from after one of them on."""
    rows = await session.execute(_LOCATIONS, {"after": after, "limit": limit})
    return [LocationRow(*row) for row in rows]


async def add_location(session: AsyncSession, code: str, name: str) -> LocationRow | None:
    """Add a location, or return None when its code is taken."""
    row = (await session.execute(_ADD_LOCATION, {"code": code, "name": name})).one_or_none()
    return None if row is None else LocationRow(*row)
