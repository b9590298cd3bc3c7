"""What an operator watches of the shop, in figures: what is under way, what waits, and what has waited for too long.

None is told further than `MOST`. The figures come out of indices, and are asked for every few seconds, of a shop with
millions of orders as well. What is overdue is looked for among everything that is under way, which may be much where
little is found: it is asked for by itself, and more seldom.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.audit.checks import Check
from db.audit.limits import Limits, parameters
from db.audit.waiting import NOTHING_FORGOTTEN
from domain.order_states import ENDED, OrderStatus

MOST = 10_000
"""Where counting ends: so many, or more."""

OPEN = sorted(set(OrderStatus) - ENDED)
OVERDUE: tuple[Check, ...] = NOTHING_FORGOTTEN.checks


@dataclass(frozen=True, slots=True)
class Queue:
    """How much waits, and for how many seconds the first of it does; 0 where nothing waits."""

    length: int
    oldest: float


@dataclass(frozen=True, slots=True)
class Figures:
    """The shop at one moment. `orders` are the open ones by their status."""

    orders: Mapping[str, int]
    needing_operator: int
    findings: int
    low_stock_alerts: int
    messages: Queue
    payments: Queue
    webhook_events: Queue


_ORDERS = text("""
SELECT s.status, (SELECT count(*) FROM (SELECT FROM orders o WHERE o.status = s.status LIMIT :most) AS o) AS counted
FROM unnest(CAST(:open AS text[])) AS s(status)
""")


def _counted(rows: str) -> str:
    return f"(SELECT count(*) FROM (SELECT FROM {rows} LIMIT :most) AS counted)"  # noqa: S608 - of constants


def _overdue(checks: Iterable[Check]) -> str:
    """Count what each check finds, by its name."""
    found = (f"SELECT '{each.name}' AS named, {_counted(f'({each.query}) AS found')} AS counted" for each in checks)
    return " UNION ALL ".join(found)


_OVERDUE = text(_overdue(OVERDUE))


def _queue(table: str, since: str, waits: str) -> str:
    """Count the rows that wait, and tell since when the first one does."""
    oldest = f"(SELECT {since} FROM {table} WHERE {waits} ORDER BY {since} LIMIT 1)"  # noqa: S608 - of constants
    return f"{_counted(f'{table} WHERE {waits}')}, coalesce(extract(epoch FROM now() - {oldest}), 0)"


# The last thousand alerts are enough to tell a quiet day from one on which the shop runs dry.
_WAITING = text(f"""
SELECT {_counted("orders WHERE needs_operator")},
       {_counted("reconciliation_findings WHERE action = 'parked' AND settled_at IS NULL")},
       (SELECT count(*) FROM (SELECT created_at FROM stock_alerts ORDER BY id DESC LIMIT 1000) AS latest
        WHERE latest.created_at > now() - interval '1 day'),
       {_queue("notifications", "created_at", "state IN ('pending', 'sending')")},
       {_queue("payment_operations", "created_at", "state = 'started'")},
       {_queue("webhook_events", "received_at", "state IN ('received', 'parked')")}
""")  # noqa: S608 - of constants


async def figures(session: AsyncSession) -> Figures:
    """Take the figures, in two statements."""
    orders = await session.execute(_ORDERS, {"open": OPEN, "most": MOST})
    waiting = (await session.execute(_WAITING, {"most": MOST})).one()
    needing_operator, findings, low_stock_alerts, *queues = waiting
    messages, payments, events = (
        Queue(length, float(oldest)) for length, oldest in zip(queues[::2], queues[1::2], strict=True)
    )
    return Figures(
        orders={row.status: row.counted for row in orders},
        needing_operator=needing_operator,
        findings=findings,
        low_stock_alerts=low_stock_alerts,
        messages=messages,
        payments=payments,
        webhook_events=events,
    )


async def overdue(session: AsyncSession, limits: Limits) -> Mapping[str, int]:
    """Count what breaks each check of I8. `limits` say from when on something is overdue, as the audit does."""
    rows = await session.execute(_OVERDUE, {**parameters(limits, settled=False), "most": MOST})
    return {row.named: row.counted for row in rows}
