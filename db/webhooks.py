"""Events of payment providers: each stored once, handed over, and forgotten in the end.

Each function is one statement, so that copies of an event which arrive at the same moment meet in its row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.orders import PaymentEvent
from domain.order_states import ENDED
from domain.payment_events import SAID_BY, PaymentEventType, ProviderEvent
from models.webhooks import WebhookReason, WebhookState

_ORDER_OF = """
SELECT o.order_id FROM payment_operations o WHERE o.provider = {provider} AND o.provider_reference = {reference} LIMIT 1
"""

_COLUMNS = "e.provider, e.event_id, e.type, e.reference, e.order_id, e.state"


def _words(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in sorted(values))


_SAYS_ALREADY = " ".join(
    f"WHEN '{said}' THEN o.payment_status IN ({_words(statuses)})" for said, statuses in SAID_BY.items()
)

# The row of an open order says already what an event `e` does of one of the order's payments. An operation that is
# under way may be what the event is about: the order's own step has not come so far.
_KNOWN = f"""
EXISTS (
    SELECT FROM orders o
    WHERE o.id = e.order_id AND o.status NOT IN ({_words(ENDED)})
      AND CASE e.type {_SAYS_ALREADY} ELSE false END
      AND EXISTS (SELECT FROM payment_operations p
                   WHERE p.order_id = o.id AND p.provider = e.provider AND p.provider_reference = e.reference)
      AND NOT EXISTS (SELECT FROM payment_operations p
                       WHERE p.order_id = o.id AND p.state IN ('started', 'action_required')
                         AND CASE e.type WHEN 'authorised' THEN p.operation = 'authorise'
                                         WHEN 'captured' THEN p.operation IN ('authorise', 'capture')
                                         ELSE true END)
)
"""  # noqa: S608 - of constants

# What has caused an event is an operation that was begun a moment ago: its own answer is on its way.
_UNDER_WAY = """
EXISTS (
    SELECT FROM payment_operations p
    WHERE p.order_id = e.order_id AND p.provider = e.provider AND p.provider_reference = e.reference
      AND p.state = 'started' AND p.updated_at > now() - interval '1 minute'
      AND (e.type, p.operation) IN (('authorised', 'authorise'), ('captured', 'capture'))
)
"""

_RECORD = text(f"""
WITH event AS (
    SELECT CAST(:provider AS text) AS provider, CAST(:type AS text) AS type, CAST(:reference AS text) AS reference,
           coalesce(CAST(:order_id AS uuid), ({_ORDER_OF.format(provider=":provider", reference=":reference")}))
               AS order_id
), judged AS (
    SELECT e.*, CASE WHEN e.type IS NULL OR e.reference IS NULL THEN 'unknown_type' WHEN {_KNOWN} THEN 'known'
                     WHEN {_UNDER_WAY} THEN 'under_way' END AS reason
    FROM event e
)
INSERT INTO webhook_events AS e
    (provider, event_id, kind, type, reference, order_id, amount, currency, happened_at, reason, state, looked_at)
SELECT j.provider, :event_id, :kind, j.type, j.reference, j.order_id, :amount, :currency, :happened_at, j.reason,
       CASE WHEN j.reason IS NULL THEN 'received' WHEN j.reason = 'under_way' THEN 'parked' ELSE 'ignored' END,
       CASE WHEN j.reason IS NOT NULL THEN now() END
FROM judged j
ON CONFLICT (provider, event_id) DO UPDATE SET
    copies = e.copies + 1, order_id = coalesce(e.order_id, excluded.order_id),
    state = CASE WHEN e.state IN ('received', 'parked') THEN excluded.state ELSE e.state END,
    reason = CASE WHEN e.state IN ('received', 'parked') THEN excluded.reason ELSE e.reason END,
    looked_at = coalesce(excluded.looked_at, e.looked_at)
RETURNING {_COLUMNS}
""")  # noqa: S608 - the parts are constants above

_SETTLE = text("""
UPDATE webhook_events SET state = :state, reason = :reason, looked_at = now()
WHERE provider = :provider AND event_id = :event_id AND state IN ('received', 'parked')
""")

# What was parked is looked at again, less and less often: each time it waits for as long as it has waited already.
_LEFT = text(f"""
WITH due AS (
    SELECT w.provider, w.event_id, w.type, w.reference,
           coalesce(w.order_id, ({_ORDER_OF.format(provider="w.provider", reference="w.reference")})) AS order_id
    FROM webhook_events w
    WHERE w.state IN ('received', 'parked') AND w.received_at < now() - CAST(:grace AS interval)
      AND (w.looked_at IS NULL OR now() - w.looked_at > w.looked_at - w.received_at + CAST(:grace AS interval))
    ORDER BY w.received_at LIMIT :limit FOR UPDATE SKIP LOCKED
), judged AS (
    SELECT e.provider, e.event_id, e.order_id, {_KNOWN} AS known FROM due e
)
UPDATE webhook_events e SET
    looked_at = now(), order_id = j.order_id, state = CASE WHEN j.known THEN 'ignored' ELSE 'received' END,
    reason = CASE WHEN j.known THEN 'known' END
FROM judged j
WHERE e.provider = j.provider AND e.event_id = j.event_id
RETURNING {_COLUMNS}
""")  # noqa: S608 - as above

_GIVE_UP = text("""
UPDATE webhook_events SET state = 'ignored', looked_at = now()
WHERE state = 'parked' AND received_at < now() - CAST(:patience AS interval)
""")

_FORGET = text("""
DELETE FROM webhook_events WHERE (provider, event_id) IN (
    SELECT provider, event_id FROM webhook_events
    WHERE state IN ('delivered', 'ignored') AND received_at < now() - CAST(:retention AS interval) LIMIT :limit
)
""")


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as its row says. `order_id` is None while nobody knows the order."""

    provider: str
    event_id: str
    type: PaymentEventType | None
    reference: str | None
    order_id: UUID | None
    state: WebhookState

    @property
    def news(self) -> PaymentEvent:
        """Say what the order's workflow is told."""
        return PaymentEvent(
            reference=self.reference or "",
            type=self.type or PaymentEventType.CHANGED,
            provider=self.provider,
            event_id=self.event_id,
        )


async def record(session: AsyncSession, event: ProviderEvent) -> StoredEvent:
    """Store an event, or return it as it stands when it was stored before. Its order is found by its payment too.

    What comes back `received` is for the order's workflow to hear. What the row of its order says already is ignored,
    and what a step that is under way is about to find out is parked: it is looked at again, in case that it does not.
    """
    values = {
        "provider": event.provider,
        "event_id": event.event_id,
        "kind": event.kind,
        "type": event.type,
        "reference": event.reference,
        "order_id": event.order_id,
        "amount": event.amount,
        "currency": event.currency,
        "happened_at": event.happened_at,
    }
    return _stored((await session.execute(_RECORD, values)).one())


async def settle(
    session: AsyncSession, event: StoredEvent, state: WebhookState, reason: WebhookReason | None = None
) -> None:
    """Note what became of an event; what was delivered or ignored stays so."""
    values = {"provider": event.provider, "event_id": event.event_id, "state": state, "reason": reason}
    await session.execute(_SETTLE, values)


async def left(session: AsyncSession, *, grace: timedelta, limit: int) -> Sequence[StoredEvent]:
    """Take events that nobody has handed over, or that were parked, oldest first.

    `grace` is how long whoever received an event may take. What was taken is not taken again soon, and what the row of
    its order says by now comes back `ignored`.
    """
    return [_stored(row) for row in await session.execute(_LEFT, {"grace": grace, "limit": limit})]


async def give_up(session: AsyncSession, *, patience: timedelta) -> int:
    """Ignore events whose order has stayed unknown for so long, and return how many they were."""
    return _count(await session.execute(_GIVE_UP, {"patience": patience}))


async def forget(session: AsyncSession, *, retention: timedelta, limit: int) -> int:
    """Delete handled events that are older than this, and return how many they were."""
    return _count(await session.execute(_FORGET, {"retention": retention, "limit": limit}))


def _count(result: Any) -> int:
    return int(result.rowcount)


def _stored(row: Any) -> StoredEvent:
    return StoredEvent(
        provider=row.provider,
        event_id=row.event_id,
        type=None if row.type is None else PaymentEventType(row.type),
        reference=row.reference,
        order_id=row.order_id,
        state=WebhookState(row.state),
    )
