"""Events of payment providers: each stored once, handed over, and forgotten in the end.

Each function is one statement, so that copies of an event which arrive at the same moment meet in its row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.orders import PaymentEvent
from domain.order_states import ENDED, OrderStatus, PaymentStatus
from domain.payment_events import PaymentEventType, ProviderEvent, says_already
from models.webhooks import WebhookReason, WebhookState

_ORDER_OF = """
SELECT o.order_id FROM payment_operations o WHERE o.provider = {provider} AND o.provider_reference = {reference} LIMIT 1
"""

_COLUMNS = "e.provider, e.event_id, e.type, e.reference, e.order_id, e.state"

_RECORD = text(f"""
INSERT INTO webhook_events AS e
    (provider, event_id, kind, type, reference, order_id, amount, currency, happened_at, state, reason, looked_at)
VALUES (CAST(:provider AS text), :event_id, :kind, :type, CAST(:reference AS text),
        coalesce(CAST(:order_id AS uuid), ({_ORDER_OF.format(provider=":provider", reference=":reference")})),
        :amount, :currency, :happened_at, CAST(:state AS text), :reason,
        CASE WHEN CAST(:state AS text) = 'ignored' THEN now() END)
ON CONFLICT (provider, event_id) DO UPDATE SET copies = e.copies + 1
RETURNING {_COLUMNS}
""")  # noqa: S608 - the parts are constants above

_SETTLE = text("""
UPDATE webhook_events SET state = :state, reason = :reason, looked_at = now()
WHERE provider = :provider AND event_id = :event_id AND state IN ('received', 'parked')
""")

# What was parked is looked at again, less and less often: each time it waits for as long as it has waited already.
_LEFT = text(f"""
UPDATE webhook_events e SET looked_at = now(), order_id = coalesce(e.order_id, found.order_id)
FROM (
    SELECT w.provider, w.event_id, ({_ORDER_OF.format(provider="w.provider", reference="w.reference")}) AS order_id
    FROM webhook_events w
    WHERE w.state IN ('received', 'parked') AND w.received_at < now() - CAST(:grace AS interval)
      AND (w.looked_at IS NULL OR now() - w.looked_at > w.looked_at - w.received_at + CAST(:grace AS interval))
    ORDER BY w.received_at LIMIT :limit FOR UPDATE SKIP LOCKED
) found
WHERE e.provider = found.provider AND e.event_id = found.event_id
RETURNING {_COLUMNS}
""")  # noqa: S608 - as above

# What is under way may be what the event is about: its order's own step may not have come so far.
_STANDING = text("""
SELECT o.status, o.payment_status,
       EXISTS (SELECT FROM payment_operations p
                WHERE p.order_id = o.id AND p.state IN ('started', 'action_required')) AS under_way,
       EXISTS (SELECT FROM payment_operations p
                WHERE p.order_id = o.id AND p.provider = CAST(:provider AS text)
                  AND p.provider_reference = CAST(:reference AS text)) AS ours
FROM orders o WHERE o.id = CAST(:order_id AS uuid)
""")

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
    """Store an event, or return it as it stands when it was stored before. Its order is found by its payment too."""
    wanted = event.type is not None and event.reference is not None
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
        "state": WebhookState.RECEIVED if wanted else WebhookState.IGNORED,
        "reason": None if wanted else WebhookReason.UNKNOWN_TYPE,
    }
    return _stored((await session.execute(_RECORD, values)).one())


async def settle(
    session: AsyncSession, event: StoredEvent, state: WebhookState, reason: WebhookReason | None = None
) -> None:
    """Note what became of an event; what was delivered or ignored stays so."""
    values = {"provider": event.provider, "event_id": event.event_id, "state": state, "reason": reason}
    await session.execute(_SETTLE, values)


async def is_known(session: AsyncSession, event: StoredEvent) -> bool:
    """Tell whether the row of an open order says already what an event does of one of the order's payments.

    False while an operation of the order is under way, and where the order has no row or is over.
    """
    values = {"provider": event.provider, "reference": event.reference, "order_id": event.order_id}
    row = (await session.execute(_STANDING, values)).one_or_none()
    if row is None or event.type is None or row.under_way or not row.ours or OrderStatus(row.status) in ENDED:
        return False
    return says_already(PaymentStatus(row.payment_status), event.type)


async def left(session: AsyncSession, *, grace: timedelta, limit: int) -> Sequence[StoredEvent]:
    """Take events that nobody has handed over, or whose order was not known, oldest first.

    `grace` is how long whoever received an event may take. What was taken is not taken again soon.
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
