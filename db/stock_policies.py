"""What is decided about the stock of a SKU."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_DECIDE = text("""
INSERT INTO stock_policies (sku, backorder_limit, low_stock_at)
SELECT sku, :backorder_limit, CAST(:low_stock_at AS bigint) FROM variants WHERE sku = :sku
ON CONFLICT (sku) DO UPDATE SET backorder_limit = excluded.backorder_limit, low_stock_at = excluded.low_stock_at
RETURNING sku
""")


async def decide(session: AsyncSession, sku: str, backorder_limit: int, low_stock_at: int | None) -> bool:
    """Set how much of a SKU may be backordered, and at which quantity staff is told. False: there is no such SKU.

    What orders wait for already stays theirs, whatever the limit.
    """
    values = {"sku": sku, "backorder_limit": backorder_limit, "low_stock_at": low_stock_at}
    return (await session.execute(_DECIDE, values)).first() is not None
