"""What is decided about the stock of a SKU."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import NotFoundError, PreconditionFailedError

_FIND = text("""
SELECT coalesce(p.backorder_limit, 0), p.low_stock_at, coalesce(p.version, 0)
FROM variants v LEFT JOIN stock_policies p ON p.sku = v.sku
WHERE v.sku = :sku
""")

# A row that is not there has version 0.
_DECIDE = text("""
INSERT INTO stock_policies AS p (sku, backorder_limit, low_stock_at)
SELECT sku, :backorder_limit, CAST(:low_stock_at AS bigint) FROM variants v
WHERE sku = :sku
  AND (coalesce(CAST(:version AS integer), 0) = 0 OR EXISTS (SELECT FROM stock_policies WHERE sku = v.sku))
ON CONFLICT (sku) DO UPDATE
SET backorder_limit = excluded.backorder_limit, low_stock_at = excluded.low_stock_at, version = p.version + 1
WHERE p.version = coalesce(CAST(:version AS integer), p.version)
RETURNING backorder_limit, low_stock_at, version
""")


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """How much of a SKU may be backordered, and at which quantity staff is told. Version 0: nothing was decided."""

    backorder_limit: int
    low_stock_at: int | None
    version: int


async def find(session: AsyncSession, sku: str) -> PolicyRow:
    """Look up what is decided.

    Raises:
        NotFoundError: there is no such SKU.
    """
    row = (await session.execute(_FIND, {"sku": sku})).one_or_none()
    if row is None:
        raise NotFoundError("no such SKU")
    return PolicyRow(*row)


async def decide(
    session: AsyncSession, sku: str, backorder_limit: int, low_stock_at: int | None, version: int | None
) -> PolicyRow:
    """Set how much of a SKU may be backordered, and at which quantity staff is told. Without a version any will do.

    What orders wait for already stays theirs, whatever the limit.

    Raises:
        NotFoundError: there is no such SKU.
        PreconditionFailedError: it was decided otherwise by now.
    """
    values = {"sku": sku, "backorder_limit": backorder_limit, "low_stock_at": low_stock_at, "version": version}
    row = (await session.execute(_DECIDE, values)).one_or_none()
    if row is None:
        await find(session, sku)
        raise PreconditionFailedError("somebody else has decided otherwise since it was read")
    return PolicyRow(*row)
