"""Messages: owed, claimed for sending, and sent; each changes its state in one statement."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.messages import TOPICS
from models.columns import new_id
from models.notifications import NotificationState

_OWE = text("""
INSERT INTO notifications (id, order_id, template, channel, n, state, message_id, attempts)
VALUES (:id, :order_id, :template, 'email', :n, 'pending', :message_id, 0)
ON CONFLICT ON CONSTRAINT notifications_once DO NOTHING
""")

# Whoever has asked for text messages about this topic gets one beside the mail. Nobody else does: a guest has not.
_OWE_ALSO_BY_SMS = text("""
INSERT INTO notifications (id, order_id, template, channel, n, state, message_id, attempts)
SELECT owed.id, :order_id, :template, owed.channel, :n, 'pending', owed.message_id, 0
FROM (VALUES (CAST(:id AS uuid), 'email', CAST(:message_id AS text)),
             (CAST(:sms_id AS uuid), 'sms', CAST(:sms_message_id AS text))) AS owed (id, channel, message_id)
WHERE owed.channel = 'email' OR EXISTS (
    SELECT FROM orders o JOIN notification_preferences p ON p.user_id = o.customer_id
    WHERE o.id = :order_id AND p.topic = :topic AND p.channel = 'sms' AND p.wanted)
ON CONFLICT ON CONSTRAINT notifications_once DO NOTHING
""")

_DROP = text("""
UPDATE notifications SET state = 'dropped', claimed_until = NULL
WHERE order_id = :order_id AND state IN ('pending', 'sending')
""")

CLAIM = timedelta(seconds=45)
"""Outlives the mail server's time-out, so that two attempts never send at once; a dead one's runs out."""

_CLAIM = text("""
UPDATE notifications n SET state = 'sending', attempts = n.attempts + 1,
    claimed_until = now() + CAST(:claim AS interval)
FROM orders o
WHERE n.id = :id AND o.id = n.order_id
  AND (n.state = 'pending' OR (n.state = 'sending' AND n.claimed_until < now()))
RETURNING n.id, n.order_id, n.attempts, n.template, n.channel, n.message_id, o.email, o.number, o.currency,
    o.total_amount, o.shipping_address,
    coalesce((SELECT json_agg(json_build_array(l.quantity, l.title, l.total_amount) ORDER BY l.position)
              FROM order_lines l WHERE l.order_id = o.id), '[]'),
    coalesce((SELECT json_object_agg(p.topic, p.wanted) FROM notification_preferences p
              WHERE p.user_id = o.customer_id AND p.channel = n.channel), '{}'),
    o.capture_policy,
    (SELECT r.amount FROM refunds r WHERE n.template = 'refund_confirmation' AND r.order_id = o.id AND r.n = n.n),
    (SELECT json_build_array(s.carrier, s.tracking_number,
        (SELECT json_agg(json_build_array(i.quantity, l.title) ORDER BY l.position)
         FROM shipment_lines i JOIN order_lines l ON l.line_id = i.line_id WHERE i.shipment_id = s.id))
     FROM shipments s WHERE n.template = 'shipment' AND s.order_id = o.id AND s.n = n.n),
    o.payment_deadline, o.payment_retry_at, o.reason,
    (SELECT p.provider_reference FROM payment_operations p
     WHERE n.template = 'payment_transfer_awaited' AND p.order_id = o.id AND p.operation = 'authorise'
       AND p.attempt = n.n),
    coalesce((SELECT json_agg(json_build_array(a.type, a.label, a.amount) ORDER BY a.position) FROM (
        SELECT position, type, label, sum(amount)::bigint AS amount
        FROM order_adjustments WHERE order_id = o.id GROUP BY position, type, label) a), '[]'),
    CASE n.template WHEN 'rest_cancelled' THEN json_build_array(o.cancelled_amount, (
        SELECT json_agg(json_build_array(l.cancelled_quantity, l.title) ORDER BY l.position)
        FROM order_lines l WHERE l.order_id = o.id AND l.cancelled_quantity > 0)) END,
    CASE n.channel WHEN 'sms' THEN coalesce(o.phone, (SELECT u.phone FROM users u WHERE u.id = o.customer_id)) END
""")

_STATE = text("SELECT state FROM notifications WHERE id = :id")

# That a message went out is true whoever says it; that it did not is for the one who holds the claim to say.
_SENT = text("""
UPDATE notifications SET state = 'sent', code = NULL, claimed_until = NULL, sent_at = now()
WHERE id = :id AND state <> 'sent'
""")

_GIVE_BACK = text("""
UPDATE notifications SET state = :state, code = :code, claimed_until = NULL
WHERE id = :id AND state = 'sending' AND attempts = :attempts
""")

_OF_ORDER = text("""
SELECT id, template, channel, state, attempts, created_at, sent_at FROM notifications WHERE order_id = :order_id
ORDER BY id
""")


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """A message that the caller alone may send now, with the data of its order."""

    id: UUID
    order_id: UUID
    attempts: int
    """Which claim this is: the first, the second, and so on."""
    template: str
    channel: str
    message_id: str
    email: str | None
    number: str
    currency: str
    total: int
    shipping_address: dict[str, Any] | None
    lines: list[tuple[int, str, int]]
    """Quantity, title and total of each line, in minor units."""
    preferences: dict[str, bool]
    """What the buyer has said about each topic on this channel."""
    capture_policy: str
    refund: int | None
    """What was given back, where that is the news."""
    shipment: tuple[str, str, list[tuple[int, str]]] | None
    """Carrier, tracking number, and quantity and title of each line, where that is the news."""
    payment_deadline: datetime | None
    payment_retry_at: datetime | None
    reason: str | None
    """Why the order has failed, where it has."""
    transfer_reference: str | None
    """What the buyer writes on the transfer that is awaited."""
    adjustments: list[tuple[str, str, int]]
    """Type, label and amount of each part of the total beside the lines."""
    rest: tuple[int, list[tuple[int, str]]] | None
    """What was cancelled after a part was sent: what it would have cost, and quantity and title of each line."""
    phone: str | None
    """Where a text message goes: the order's number, else its account's."""


async def owe(session: AsyncSession, order_id: UUID, template: str, n: int = 1) -> None:
    """Write down a message that an order owes its buyer, by every channel that it takes.

    Once for each template, channel and `n`.
    """
    values: dict[str, object] = {"order_id": order_id, "template": template, "n": n, **_named()}
    topic = TOPICS.get(template)
    if topic is None:
        await session.execute(_OWE, values)
    else:
        await session.execute(_OWE_ALSO_BY_SMS, {**values, **_named("sms_"), "topic": topic})


def _named(prefix: str = "") -> dict[str, object]:
    id_ = new_id()
    return {f"{prefix}id": id_, f"{prefix}message_id": f"<{id_}@everorder>"}


async def drop(session: AsyncSession, order_id: UUID) -> None:
    """Forget the messages that were not sent: their order was cancelled. One that is on its way may still arrive."""
    await session.execute(_DROP, {"order_id": order_id})


async def claim(session: AsyncSession, notification_id: UUID) -> ClaimedMessage | None:
    """Claim a message for sending; None when it was sent, dropped, or is being sent."""
    row = (await session.execute(_CLAIM, {"id": notification_id, "claim": CLAIM})).one_or_none()
    return None if row is None else ClaimedMessage(*row)


async def state(session: AsyncSession, notification_id: UUID) -> str | None:
    """Tell where a message stands."""
    found: str | None = (await session.execute(_STATE, {"id": notification_id})).scalar_one_or_none()
    return found


async def note_sent(session: AsyncSession, notification_id: UUID) -> None:
    """Note that a message was handed over, also if its claim has run out meanwhile."""
    await session.execute(_SENT, {"id": notification_id})


async def give_back(
    session: AsyncSession, notification_id: UUID, attempts: int, state_: NotificationState, code: str
) -> None:
    """Note why a claimed message was not taken, unless the claim has run out and somebody else has it."""
    await session.execute(_GIVE_BACK, {"id": notification_id, "attempts": attempts, "state": state_, "code": code})


async def of_order(session: AsyncSession, order_id: UUID) -> list[Any]:
    """List an order's messages, oldest first."""
    return list(await session.execute(_OF_ORDER, {"order_id": order_id}))
