"""I3: an order's money by its payment operations: no live authorisation on an ended order, nothing taken twice."""

from db.audit.checks import Check, Invariant, Subject

# An attempt is live from its authorisation on until its rest was voided, or all that it took was refunded. `taken` and
# `returned` are sums; `refunding` is what refunds under way have reserved.
_ATTEMPTS = """
SELECT a.*, authorised AND NOT voided AND NOT (taken > 0 AND returned >= taken) AS live FROM (
    SELECT order_id, attempt,
           bool_or(operation = 'authorise' AND state = 'succeeded') AS authorised,
           bool_or(operation = 'void' AND state = 'succeeded') AS voided,
           bool_or(state = 'action_required') AS waiting,
           coalesce(sum(amount) FILTER (WHERE operation = 'capture' AND state = 'succeeded'), 0) AS taken,
           coalesce(sum(amount) FILTER (WHERE operation = 'refund' AND state = 'succeeded'), 0) AS returned,
           coalesce(sum(amount) FILTER (WHERE refund_id IS NOT NULL AND state = 'started'), 0) AS refunding
    FROM payment_operations GROUP BY order_id, attempt
) a
"""

_BOOKS = f"""
SELECT order_id, sum(taken) AS taken, sum(returned) AS returned, sum(refunding) AS refunding,
       count(*) FILTER (WHERE live) AS live,
       count(*) FILTER (WHERE authorised AND voided) AS voided
FROM ({_ATTEMPTS}) a GROUP BY order_id
"""  # noqa: S608 - put together of constants, as everything below

_NOTHING_LIVE = f"""
SELECT o.id AS order_id, o.number, o.status, a.attempt
FROM ({_ATTEMPTS}) a JOIN orders o ON o.id = a.order_id
WHERE o.status = ANY(CAST(:undone AS text[])) AND (a.live OR a.waiting)
"""  # noqa: S608

# Money is reserved anew before the old reservation is let go.
_ONE_LIVE = f"""
SELECT o.id AS order_id, o.number, o.status, b.live
FROM ({_BOOKS}) b JOIN orders o ON o.id = b.order_id
WHERE b.live > CASE WHEN CAST(:settled AS boolean) OR o.capture_policy <> 'shipment' THEN 1 ELSE 2 END
"""  # noqa: S608

_CAPTURED = f"""
SELECT o.id AS order_id, o.number, o.status, b.taken AS captured, o.total_amount AS total
FROM ({_BOOKS}) b JOIN orders o ON o.id = b.order_id WHERE b.taken > o.total_amount
"""  # noqa: S608

_REFUNDED = f"""
SELECT o.id AS order_id, o.number, o.status, a.attempt, a.taken AS captured, a.returned + a.refunding AS refunded
FROM ({_ATTEMPTS}) a JOIN orders o ON o.id = a.order_id WHERE a.returned + a.refunding > a.taken
"""  # noqa: S608

# While an attempt is being reversed its operations may know of a capture before the order's row does.
_BEING_REVERSED = "(NOT CAST(:settled AS boolean) AND o.status IN ('pending', 'cancelling'))"

_AMOUNTS = f"""
SELECT o.id AS order_id, o.number, o.status, o.captured_amount AS captured, o.refunded_amount AS refunded,
       coalesce(b.taken, 0) AS captured_by_operations, coalesce(b.returned, 0) AS refunded_by_operations,
       o.refunding_amount AS refunding, coalesce(b.refunding, 0) AS refunding_by_operations
FROM orders o LEFT JOIN ({_BOOKS}) b ON b.order_id = o.id
WHERE (o.captured_amount, o.refunded_amount, o.refunding_amount)
      <> (coalesce(b.taken, 0), coalesce(b.returned, 0), coalesce(b.refunding, 0))
  AND NOT {_BEING_REVERSED}
"""  # noqa: S608

_STATUS = f"""
SELECT order_id, number, status, payment_status, by_operations
FROM (
    SELECT o.id AS order_id, o.number, o.status, o.payment_status,
        CASE WHEN b.taken > 0 AND b.returned >= b.taken THEN 'refunded'
             WHEN b.returned > 0 THEN 'partially_refunded'
             WHEN b.taken > 0 AND b.taken >= o.total_amount - o.cancelled_amount THEN 'captured'
             WHEN b.taken > 0 THEN 'partially_captured'
             WHEN b.live > 0 THEN 'authorised'
             WHEN b.voided > 0 THEN 'voided'
             ELSE 'none' END AS by_operations
    FROM orders o LEFT JOIN ({_BOOKS}) b ON b.order_id = o.id
    WHERE o.total_amount > 0 AND NOT {_BEING_REVERSED}
) o
WHERE payment_status <> by_operations AND NOT (payment_status = 'disputed' AND by_operations <> 'none')
"""  # noqa: S608

# Where each shipment takes its share, the state owes the shares of what was sent; once all was sent, the total. What is
# paid at delivery is owed from then on, and may be here before.
_OWED = f"""
SELECT o.id AS order_id, o.number, o.status, o.total_amount AS total, coalesce(b.taken, 0) AS captured,
       coalesce(b.returned, 0) AS refunded
FROM orders o LEFT JOIN ({_BOOKS}) b ON b.order_id = o.id
WHERE (o.status = ANY(CAST(:undone AS text[])) AND coalesce(b.taken, 0) <> coalesce(b.returned, 0))
   OR (CAST(:settled AS boolean) AND o.status = ANY(CAST(:placed_onward AS text[]))
       AND NOT (o.capture_policy = 'delivery'
                AND coalesce(b.taken, 0) IN (o.total_amount, o.total_amount - o.cancelled_amount))
       AND coalesce(b.taken, 0) <> CASE
           WHEN o.capture_policy = 'delivery' AND o.status <> ALL(CAST(:arrived AS text[])) THEN 0
           WHEN o.capture_policy = 'placement' THEN o.total_amount
           WHEN o.status = ANY(CAST(:sent AS text[])) THEN o.total_amount - o.cancelled_amount
           ELSE (SELECT coalesce(sum(s.share_amount), 0) FROM shipments s
                  WHERE s.order_id = o.id AND s.state IN ('shipped', 'delivered')) END)
"""  # noqa: S608

# Nothing is kept of goods that were cancelled after others had been sent, unless an operator decides about a refund.
_REST_KEPT = f"""
SELECT o.id AS order_id, o.number, o.status, o.total_amount - o.cancelled_amount AS owed, b.taken AS captured,
       b.returned AS refunded
FROM orders o JOIN ({_BOOKS}) b ON b.order_id = o.id
WHERE o.cancelled_amount > 0 AND b.taken - b.returned - b.refunding > o.total_amount - o.cancelled_amount
  AND NOT EXISTS (SELECT FROM refunds r WHERE r.order_id = o.id AND r.state IN ('failed', 'abandoned'))
"""  # noqa: S608

_GIVEN_BACK = """
SELECT r.id AS refund_id, r.order_id, r.state, r.amount, coalesce(p.given, 0) AS given
FROM refunds r LEFT JOIN (
    SELECT refund_id, sum(amount) FILTER (WHERE state = 'succeeded') AS given,
           bool_or(state = 'started') AS under_way
    FROM payment_operations WHERE refund_id IS NOT NULL GROUP BY refund_id
) p ON p.refund_id = r.id
WHERE (r.state = 'succeeded' AND coalesce(p.given, 0) <> r.amount)
   OR (r.state IN ('failed', 'abandoned') AND coalesce(p.given, 0) >= r.amount)
   OR (r.state <> 'started' AND coalesce(p.under_way, false))
"""

_KEYS = """
SELECT key, order_id, operation, n FROM payment_operations
WHERE key <> order_id || ':' || operation || ':' || n
"""

_CURRENCY = """
SELECT p.key, p.currency, o.currency AS currency_of_order
FROM payment_operations p JOIN orders o ON o.id = p.order_id WHERE p.currency <> o.currency
"""

_REFERENCE = """
SELECT provider, provider_reference, count(DISTINCT order_id) AS orders FROM payment_operations
WHERE provider_reference IS NOT NULL GROUP BY provider, provider_reference HAVING count(DISTINCT order_id) > 1
"""

_OPERATIONS = Subject.PAYMENT_OPERATIONS

MONEY_AGREES = Invariant(
    "I3",
    "An order's money is taken once, and given back when it ends",
    (
        Check("nothing_live_when_over", "a failed or cancelled order has no live payment", _OPERATIONS, _NOTHING_LIVE),
        Check("one_live", "an order has at most one live payment", _OPERATIONS, _ONE_LIVE),
        Check("captured_within_total", "captured <= total, by operations", _OPERATIONS, _CAPTURED),
        Check("refunded_within_captured", "refunded and refunding <= captured, by attempt", _OPERATIONS, _REFUNDED),
        Check("refund_is_given_back", "a refund that succeeded was given back", Subject.REFUNDS, _GIVEN_BACK),
        Check("amounts_agree", "an order's amounts are the sums of its operations", Subject.ORDERS, _AMOUNTS),
        Check("payment_status_agrees", "an order's payment status follows its operations", Subject.ORDERS, _STATUS),
        Check("money_is_owed", "captured - refunded is what the state says is owed", Subject.ORDERS, _OWED),
        Check("rest_is_given_back", "nothing is kept of what was cancelled", Subject.ORDERS, _REST_KEPT),
        Check("key_names_operation", "a key names its order, operation and number", _OPERATIONS, _KEYS),
        Check("currency_agrees", "an operation is in its order's currency", _OPERATIONS, _CURRENCY),
        Check("reference_of_one_order", "a provider's payment belongs to one order", _OPERATIONS, _REFERENCE),
    ),
)
