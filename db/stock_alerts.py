"""Alerts of low stock: each is told to staff once, as many as there are at a time in one message.

The statement that makes the stock fall writes the alert, and nothing else: a hold waits for no message. The chore
gathers what was not told yet. One that is a day old is told no more: staff reads it in the list.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.messages import FIRST_LOOK
from db.notifications import CLAIM
from domain.messages import LOW_STOCK
from models.columns import new_id

AT_ONCE = 1_000
"""Alerts of one message."""

_LATEST = timedelta(days=1)

# Ids are drawn in the order of time.
_LISTED = text("""
SELECT a.id, a.sku, a.low_stock_at, a.available, a.created_at, n.sent_at
FROM stock_alerts a LEFT JOIN notifications n ON n.id = a.notification_id
WHERE CAST(:before AS uuid) IS NULL OR a.id < :before
ORDER BY a.id DESC
LIMIT :limit
""")

_GATHER = text("""
WITH gathered AS (
    SELECT id FROM stock_alerts
    WHERE notification_id IS NULL AND created_at > now() - CAST(:latest AS interval)
    ORDER BY created_at LIMIT :most
    FOR UPDATE SKIP LOCKED
), message AS (
    INSERT INTO notifications (id, template, channel, n, state, message_id, attempts, sweep_at)
    SELECT :id, :template, 'email', 1, 'pending', :message_id, 0, now() + CAST(:first_look AS interval)
    WHERE EXISTS (SELECT FROM gathered)
    RETURNING id
), noted AS (
    UPDATE stock_alerts a SET notification_id = m.id FROM gathered g, message m WHERE a.id = g.id
)
SELECT id FROM message
""")

# A SKU that has fallen several times since is told of once.
_CLAIM = text("""
UPDATE notifications n SET state = 'sending', attempts = n.attempts + 1,
    claimed_until = now() + CAST(:claim AS interval)
WHERE n.id = :id AND n.template = :template
  AND (n.state = 'pending' OR (n.state = 'sending' AND n.claimed_until < now()))
RETURNING n.id, n.attempts, n.message_id, (
    SELECT coalesce(json_agg(json_build_array(sku, title, available, low_stock_at) ORDER BY sku), '[]')
    FROM (
        SELECT DISTINCT ON (a.sku) a.sku, concat_ws(', ', p.title, nullif(v.title, '')) AS title,
               a.available, a.low_stock_at
        FROM stock_alerts a JOIN variants v ON v.sku = a.sku JOIN products p ON p.id = v.product_id
        WHERE a.notification_id = n.id
        ORDER BY a.sku, a.id DESC
    ) AS latest
)
""")


@dataclass(frozen=True, slots=True)
class Alert:
    """What was available of a SKU fell to its threshold or below; `told_at` is when a message said so."""

    id: UUID
    sku: str
    low_stock_at: int
    available: int
    created_at: datetime
    told_at: datetime | None


@dataclass(frozen=True, slots=True)
class ClaimedAlerts:
    """A message to staff that the caller alone may send now."""

    id: UUID
    attempts: int
    """Which claim this is: the first, the second, and so on."""
    message_id: str
    alerts: list[tuple[str, str, int, int]]
    """SKU, title, what was available and the threshold of each."""


async def listed(session: AsyncSession, *, limit: int, before: UUID | None = None) -> list[Alert]:
    """List the alerts, newest first, from before one of them on."""
    return [Alert(*row) for row in await session.execute(_LISTED, {"limit": limit, "before": before})]


async def gather(session: AsyncSession) -> UUID | None:
    """Owe staff a message about the alerts that were not told yet, and return its id; None where there are none."""
    id_ = new_id()
    values = {
        "id": id_,
        "template": LOW_STOCK,
        "message_id": f"<{id_}@everorder>",
        "first_look": FIRST_LOOK,
        "latest": _LATEST,
        "most": AT_ONCE,
    }
    gathered: UUID | None = (await session.execute(_GATHER, values)).scalar_one_or_none()
    return gathered


async def claim(session: AsyncSession, notification_id: UUID) -> ClaimedAlerts | None:
    """Claim a message about low stock for sending; None when it is about something else, or was sent or dropped."""
    values = {"id": notification_id, "template": LOW_STOCK, "claim": CLAIM}
    row = (await session.execute(_CLAIM, values)).one_or_none()
    return None if row is None else ClaimedAlerts(*row)
