"""I6 and I8: no message twice, and nothing that waits for longer than it may."""

from db.audit.checks import Check, Invariant, Subject

_ONCE = """
SELECT order_id, user_id, template, channel, n, count(*) AS messages FROM notifications
WHERE order_id IS NOT NULL OR user_id IS NOT NULL
GROUP BY order_id, user_id, template, channel, n HAVING count(*) > 1
"""

_MESSAGE_ID = """
SELECT message_id, count(*) AS messages, array_agg(id ORDER BY id) AS notifications FROM notifications
GROUP BY message_id HAVING count(*) > 1
"""

_SENT_AT = """
SELECT id, order_id, user_id, template, state, sent_at FROM notifications
WHERE (state = 'sent') <> (sent_at IS NOT NULL)
"""

_CLAIM = """
SELECT id, order_id, user_id, template, attempts, claimed_until FROM notifications
WHERE state = 'sending' AND coalesce(claimed_until, created_at) < now() - CAST(:claim AS interval)
"""

_STARTED = """
SELECT key, order_id, amount, provider_reference, created_at FROM payment_operations
WHERE state = 'started'
  AND created_at <= now() - CASE operation WHEN 'refund' THEN CAST(:refund AS interval)
      ELSE CAST(:started AS interval) END
"""

_OWED = """
SELECT id, order_id, payment, amount, currency, created_at FROM manual_refunds
WHERE state = 'owed' AND created_at <= now() - CAST(:owed AS interval)
"""

_HELD = """
SELECT o.id AS order_id, o.number, o.status, o.needs_operator, r.sku, r.quantity, r.created_at
FROM reservations r JOIN orders o ON o.id = r.order_id
WHERE r.state = 'held' AND r.created_at <= now() - CAST(:hold AS interval)
  AND coalesce(o.payment_deadline, r.created_at) <= now() - CAST(:overdue AS interval)
"""

_FROZEN = """
SELECT c.id AS cart_id, o.number, o.status, o.needs_operator, c.updated_at AS frozen_at
FROM carts c LEFT JOIN orders o ON o.cart_id = c.id AND o.checkout_attempt = c.checkout_attempt
WHERE c.status = 'frozen' AND c.updated_at <= now() - CAST(:hold AS interval)
  AND coalesce(o.payment_deadline, c.updated_at) <= now() - CAST(:overdue AS interval)
"""

_FROZEN_FOR_NOTHING = """
SELECT c.id AS cart_id, c.checkout_attempt FROM carts c
WHERE c.status = 'frozen' AND NOT EXISTS (
    SELECT FROM orders o
    WHERE o.cart_id = c.id AND (o.status = ANY(CAST(:unpaid AS text[])) OR o.status = 'cancelling')
)
"""

_UNDER_WAY = """
SELECT o.id AS order_id, o.number, o.status, o.needs_operator, o.operator_reason, e.since
FROM orders o CROSS JOIN LATERAL (
    SELECT coalesce(max(e.created_at), o.created_at) AS since FROM order_events e
    WHERE e.order_id = o.id AND e.to_status = o.status AND e.from_status IS DISTINCT FROM e.to_status
) e
"""

_PENDING = _UNDER_WAY + "WHERE o.status = 'pending' AND e.since <= now() - CAST(:pending AS interval)"
# What waits for a refund has the refund's own time.
_CANCELLING = (
    _UNDER_WAY
    + """
WHERE o.status = 'cancelling' AND e.since <= now() - CAST(:cancelling AS interval)
  AND (CAST(:settled AS boolean) OR NOT EXISTS (
      SELECT FROM payment_operations p WHERE p.order_id = o.id AND p.operation = 'refund' AND p.state = 'started'))
"""
)

_UNPAID = """
SELECT id AS order_id, number, status, needs_operator, payment_deadline FROM orders
WHERE status = 'payment_required'
  AND coalesce(payment_deadline, updated_at) <= now() - CAST(:overdue AS interval)
"""

_UNDELIVERED = """
SELECT id, order_id, user_id, template, state, attempts, code, created_at FROM notifications
WHERE state IN ('pending', 'sending') AND created_at <= now() - CAST(:message AS interval)
"""

# An order that is under way, or was until a moment ago, keeps its person.
_UNERASED = """
SELECT e.user_id, e.requested_at, u.erased_at FROM erasures e JOIN users u ON u.id = e.user_id
WHERE e.completed_at IS NULL AND e.requested_at <= now() - CAST(:erasure AS interval) AND NOT EXISTS (
    SELECT FROM orders o
    WHERE (o.customer_id = e.user_id OR (o.customer_id IS NULL AND lower(o.email) = lower(u.email)))
      AND ((o.status <> ALL(CAST(:ended AS text[])) AND o.status <> 'delivered') OR o.needs_operator
           OR o.refunding_amount > 0 OR o.payment_status = 'disputed'
           OR EXISTS (SELECT FROM returns r WHERE r.order_id = o.id AND r.state = 'requested')
           OR o.updated_at > now() - CAST(:erasure AS interval))
)
"""

_UNLISTED = """
SELECT category_id, moved_at FROM moved_categories WHERE moved_at <= now() - CAST(:relisting AS interval)
"""

_MESSAGES = Subject.NOTIFICATIONS

NO_MESSAGE_TWICE = Invariant(
    "I6",
    "No message is handed over twice",
    (
        Check("one_message", "one message for each order or account, template, channel and n", _MESSAGES, _ONCE),
        Check("one_message_id", "a Message-ID names one message", _MESSAGES, _MESSAGE_ID),
        Check("sent_at_a_moment", "a sent message says when, and no other does", _MESSAGES, _SENT_AT),
        Check("claim_runs_out", "a claim on a message does not outlive its time", _MESSAGES, _CLAIM),
    ),
)

NOTHING_FORGOTTEN = Invariant(
    "I8",
    "Nothing is under way for longer than its limit",
    (
        Check("started_is_finished", "a payment operation is finished in time", Subject.PAYMENT_OPERATIONS, _STARTED),
        Check("owed_is_paid", "what people have to pay back is paid in time", Subject.MANUAL_REFUNDS, _OWED),
        Check("held_is_let_go", "stock is not held beyond its time", Subject.RESERVATIONS, _HELD),
        Check("frozen_is_thawed", "a cart is not frozen beyond its time", Subject.CARTS, _FROZEN),
        Check("frozen_for_an_order", "a frozen cart has an order under way", Subject.CARTS, _FROZEN_FOR_NOTHING),
        Check("pending_is_decided", "a pending order is placed or not in time", Subject.ORDERS, _PENDING),
        Check("cancelling_is_undone", "a cancellation is carried out in time", Subject.ORDERS, _CANCELLING),
        Check("unpaid_expires", "an unpaid order ends at its deadline", Subject.ORDERS, _UNPAID),
        Check("message_is_delivered", "a message is delivered in time", _MESSAGES, _UNDELIVERED),
        Check("erasure_completes", "an account that was closed is erased in time", Subject.ERASURES, _UNERASED),
        Check("moved_is_listed", "lists follow a moved category in time", Subject.MOVED_CATEGORIES, _UNLISTED),
    ),
)
