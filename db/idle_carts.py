"""Carts by the moment in which somebody last touched them: listed for staff, and expired once that is long ago."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from models.carts import CartStatus


@dataclass(frozen=True, slots=True)
class CartSummary:
    """A cart in a list. `lines` is how many it has; `updated_at` when somebody last changed it."""

    id: UUID
    status: CartStatus
    currency: str
    customer_id: UUID | None
    reference: str | None
    email: str | None
    lines: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CartSearch:
    """What carts to list: those of a status that nobody has touched since. `after` is where the page before ended."""

    status: CartStatus
    limit: int
    idle_since: datetime | None = None
    after: tuple[datetime, UUID] | None = None


# A page is found first, in the index, and only then are its lines counted.
_SEARCH = """
SELECT c.id, c.status, c.currency, c.customer_id, c.reference, c.email,
       (SELECT count(*) FROM cart_lines l WHERE l.cart_id = c.id) AS lines, c.created_at, c.updated_at
FROM (
    SELECT * FROM carts WHERE {conditions} ORDER BY updated_at DESC, id DESC LIMIT :limit
) c
ORDER BY c.updated_at DESC, c.id DESC
"""

# When a cart was touched stays what it was: what is kept of its person is counted from there.
EXPIRE = """
WITH idle AS (
    SELECT id FROM carts WHERE status = 'open' AND updated_at < now() - CAST(:kept AS interval)
    ORDER BY updated_at, id LIMIT :most
    FOR UPDATE SKIP LOCKED
), expired AS (
    UPDATE carts SET status = 'expired' WHERE id = ANY(ARRAY(SELECT id FROM idle)) RETURNING 1
)
SELECT count(*) FROM expired
"""
_EXPIRE = text(EXPIRE)


async def search(session: AsyncSession, wanted: CartSearch) -> Sequence[CartSummary]:
    """List carts, the one that was touched last first. What is touched meanwhile leaves the list and moves no page."""
    statement, values = search_statement(wanted)
    return [CartSummary(row[0], CartStatus(row[1]), *row[2:]) for row in await session.execute(statement, values)]


def search_statement(wanted: CartSearch) -> tuple[TextClause, dict[str, object]]:
    """Write the statement of a search, with the conditions that are asked for only."""
    conditions = ["status = :status"]
    values: dict[str, object] = {"status": wanted.status, "limit": wanted.limit}
    if wanted.idle_since is not None:
        conditions.append("updated_at < :idle_since")
        values["idle_since"] = wanted.idle_since
    if wanted.after is not None:
        conditions.append("(updated_at, id) < (:after_at, :after_id)")
        values |= {"after_at": wanted.after[0], "after_id": wanted.after[1]}
    return text(_SEARCH.format(conditions=" AND ".join(conditions))), values


async def expire(session: AsyncSession, *, kept: timedelta, most: int) -> int:
    """End open carts that nobody has touched for so long, the oldest first and at most so many; return how many.

    A cart that is being changed or checked out at this moment is left for the next time.
    """
    return int((await session.execute(_EXPIRE, {"kept": kept, "most": most})).scalar_one())
