"""Everything that we hold of a person, section by section, as the JSON that they are handed. Nothing of it is a secret.

What opens something (passwords, tokens, digests of them) is not part of it, and neither are ids at payment providers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from db.people import of_person

FIRST = UUID(int=0)
"""Before the first row of every section."""

_ACCOUNT = text("""
SELECT CAST(jsonb_build_object(
    'id', id, 'email', email, 'name', name, 'phone', phone, 'locale', locale, 'roles', roles,
    'email_verified_at', email_verified_at, 'created_at', created_at, 'updated_at', updated_at) AS text)
FROM users WHERE id = :user_id AND erased_at IS NULL
""")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of what we hold: its rows after one of them, in the order of their ids, as JSON."""

    name: str
    query: TextClause


def _section(name: str, query: str) -> Section:
    return Section(name, of_person(f"{query} ORDER BY 1 LIMIT :most"))


SECTIONS: tuple[Section, ...] = (
    _section(
        "addresses",
        """
SELECT a.id, CAST(to_jsonb(a) - 'user_id' AS text) FROM addresses a WHERE a.user_id = :user_id AND a.id > :after""",
    ),
    _section(
        "sessions",
        """
SELECT s.id, CAST(jsonb_build_object(
    'id', s.id, 'created_at', s.created_at, 'used_at', s.used_at, 'expires_at', s.expires_at,
    'revoked_at', s.revoked_at) AS text)
FROM user_sessions s WHERE s.user_id = :user_id AND s.id > :after""",
    ),
    _section(
        "messages",
        """
SELECT n.id, CAST(jsonb_build_object(
    'id', n.id, 'order_id', n.order_id, 'template', n.template, 'channel', n.channel, 'state', n.state,
    'created_at', n.created_at, 'sent_at', n.sent_at) AS text)
FROM notifications n
WHERE n.id > :after AND n.id IN (
    SELECT id FROM notifications WHERE user_id = :user_id
    UNION SELECT id FROM notifications WHERE order_id IN (SELECT id FROM own_orders))""",
    ),
    _section(
        "carts",
        """
SELECT c.id, CAST(jsonb_build_object(
    'id', c.id, 'status', c.status, 'currency', c.currency, 'email', c.email, 'phone', c.phone,
    'shipping_address', c.shipping_address, 'billing_address', c.billing_address,
    'shipping_method', c.shipping_method, 'promotion_codes', c.promotion_codes,
    'created_at', c.created_at, 'updated_at', c.updated_at,
    'lines', (SELECT coalesce(jsonb_agg(jsonb_build_object('sku', l.sku, 'quantity', l.quantity)
              ORDER BY l.position, l.line_id), '[]') FROM cart_lines l WHERE l.cart_id = c.id)) AS text)
FROM carts c WHERE c.id > :after AND c.id IN (SELECT id FROM own_carts)""",
    ),
    _section(
        "orders",
        """
SELECT o.id, CAST(jsonb_build_object(
    'id', o.id, 'number', o.number, 'status', o.status, 'payment_status', o.payment_status, 'currency', o.currency,
    'discount', o.discount_amount, 'shipping', o.shipping_amount, 'tax', o.tax_amount,
    'tax_included', o.tax_included_amount, 'total', o.total_amount, 'cancelled', o.cancelled_amount,
    'refunded', o.refunded_amount,
    'email', o.email, 'phone', o.phone,
    'shipping_address', o.shipping_address, 'billing_address', o.billing_address, 'created_at', o.created_at,
    'lines', (SELECT coalesce(jsonb_agg(jsonb_build_object('sku', l.sku, 'title', l.title, 'quantity', l.quantity,
              'unit_price', l.unit_price_amount, 'total', l.total_amount) ORDER BY l.position), '[]')
              FROM order_lines l WHERE l.order_id = o.id),
    'events', (SELECT coalesce(jsonb_agg(jsonb_build_object('at', e.created_at, 'type', e.type, 'reason', e.reason)
               ORDER BY e.id), '[]') FROM order_events e WHERE e.order_id = o.id),
    'notes', (SELECT coalesce(jsonb_agg(jsonb_build_object('at', w.created_at, 'text', w.text) ORDER BY w.id), '[]')
              FROM order_notes w WHERE w.order_id = o.id),
    'shipments', (SELECT coalesce(jsonb_agg(jsonb_build_object('at', s.created_at, 'carrier', s.carrier,
                  'tracking_number', s.tracking_number) ORDER BY s.n), '[]')
                  FROM shipments s WHERE s.order_id = o.id),
    'returns', (SELECT coalesce(jsonb_agg(jsonb_build_object('at', r.created_at, 'state', r.state, 'ended_at',
                r.ended_at, 'refund', r.refund_amount) ORDER BY r.n), '[]')
                FROM returns r WHERE r.order_id = o.id),
    'payments', (SELECT coalesce(jsonb_agg(jsonb_build_object('at', p.created_at, 'operation', p.operation,
                 'amount', p.amount, 'state', p.state) ORDER BY p.created_at, p.key), '[]')
                 FROM payment_operations p WHERE p.order_id = o.id)) AS text)
FROM orders o WHERE o.id > :after AND o.id IN (SELECT id FROM own_orders)""",
    ),
)
"""What is listed page by page, however much it is. What people want to be told is short, and comes from elsewhere."""

_PREFERENCES = text("""
SELECT CAST(coalesce(jsonb_agg(to_jsonb(p) - 'user_id' ORDER BY p.topic, p.channel), '[]') AS text)
FROM notification_preferences p WHERE p.user_id = :user_id
""")


async def account(session: AsyncSession, user_id: UUID) -> str | None:
    """Return the account itself; None when it was erased."""
    found: str | None = (await session.execute(_ACCOUNT, {"user_id": user_id})).scalar_one_or_none()
    return found


async def preferences(session: AsyncSession, user_id: UUID) -> str:
    """Return what a person wants to be told and since when: the proof of each consent."""
    said: str = (await session.execute(_PREFERENCES, {"user_id": user_id})).scalar_one()
    return said


async def page(
    session: AsyncSession, section: Section, user_id: UUID, *, after: UUID, most: int
) -> Sequence[tuple[UUID, str]]:
    """Return the next rows of a section, each with the id after which the next page begins."""
    rows = await session.execute(section.query, {"user_id": user_id, "email": None, "after": after, "most": most})
    return [(row[0], row[1]) for row in rows]
