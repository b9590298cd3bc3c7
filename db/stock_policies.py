"""What is decided about the stock of a SKU, and when little of it was left."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_DECIDE = text("""
INSERT INTO stock_policies (sku, backorder_limit, low_stock_at)
SELECT sku, :backorder_limit, CAST(:low_stock_at AS bigint) FROM variants WHERE sku = :sku
ON CONFLICT (sku) DO UPDATE SET backorder_limit = excluded.backorder_limit, low_stock_at = excluded.low_stock_at
RETURNING sku
""")

# Ids are drawn in the order of time.
_ALERTS = text("""
SELECT id, sku, low_stock_at, available, created_at FROM stock_alerts
WHERE CAST(:before AS uuid) IS NULL OR id < :before
ORDER BY id DESC
LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Alert:
    """What was available of a SKU fell to its threshold or below."""

    id: UUID
    sku: str
    low_stock_at: int
    available: int
    created_at: datetime


async def decide(session: AsyncSession, sku: str, backorder_limit: int, low_stock_at: int | None) -> bool:
    """Set how much of a SKU may be backordered, and at which quantity staff is told. False: there is no such SKU.

    What orders wait for already stays theirs, whatever the limit.
    """
    values = {"sku": sku, "backorder_limit": backorder_limit, "low_stock_at": low_stock_at}
    return (await session.execute(_DECIDE, values)).first() is not None


async def alerts(session: AsyncSession, *, limit: int, before: UUID | None = None) -> list[Alert]:
    """List the alerts, newest first, from before one of them on."""
    return [Alert(*row) for row in await session.execute(_ALERTS, {"limit": limit, "before": before})]
