"""I10: what was sent is what was ordered, each once, and as far as the order's state says."""

from db.audit.checks import Check, Invariant, Subject

_SHIPPED = """
SELECT l.order_id, l.line_id, l.sku, l.quantity AS ordered, l.shipped_quantity AS shipped,
       coalesce(i.quantity, 0) AS in_shipments
FROM order_lines l LEFT JOIN (
    SELECT i.line_id, sum(i.quantity) AS quantity
    FROM shipment_lines i JOIN shipments s ON s.id = i.shipment_id WHERE s.state <> 'abandoned' GROUP BY i.line_id
) i ON i.line_id = l.line_id
WHERE l.shipped_quantity <> coalesce(i.quantity, 0) OR l.shipped_quantity + l.cancelled_quantity > l.quantity
"""

_OWN_LINES = """
SELECT s.id AS shipment_id, s.order_id, l.order_id AS order_of_line, i.line_id
FROM shipment_lines i JOIN shipments s ON s.id = i.shipment_id JOIN order_lines l ON l.line_id = i.line_id
WHERE l.order_id <> s.order_id
"""

_FITS_STATE = """
SELECT order_id, number, status, sent, missing FROM (
    SELECT o.id AS order_id, o.number, o.status,
           (SELECT count(*) FROM shipments s WHERE s.order_id = o.id AND s.state IN ('shipped', 'delivered')) AS sent,
           (SELECT coalesce(sum(l.quantity - l.shipped_quantity - l.cancelled_quantity), 0) FROM order_lines l
             WHERE l.order_id = o.id) AS missing
    FROM orders o
) o
WHERE CASE WHEN status = ANY(CAST(:sent AS text[])) THEN missing > 0
           WHEN status = 'fulfilling' THEN false
           ELSE sent > 0 END
"""

_ARRIVED = """
SELECT o.id AS order_id, o.number, o.status, s.id AS shipment_id, s.state
FROM orders o JOIN shipments s ON s.order_id = o.id
WHERE (o.status IN ('delivered', 'closed') AND s.state NOT IN ('delivered', 'abandoned'))
   OR (o.status = ANY(CAST(:sent AS text[])) AND s.state = 'preparing')
"""

_SHARES = """
SELECT o.id AS order_id, o.number, o.status, o.total_amount - o.cancelled_amount AS total, sum(s.share_amount) AS shares
FROM orders o JOIN shipments s ON s.order_id = o.id AND s.state <> 'abandoned'
WHERE o.capture_policy = 'shipment'
GROUP BY o.id
HAVING sum(s.share_amount) > o.total_amount
    OR (o.status = ANY(CAST(:sent AS text[])) AND sum(s.share_amount) <> o.total_amount - o.cancelled_amount)
"""

# A rest is cancelled once a part was sent; what it was worth is said of no other order.
_CANCELLED_REST = """
SELECT o.id AS order_id, o.number, o.status, o.cancelled_amount AS cancelled, l.quantity AS cancelled_quantity
FROM orders o CROSS JOIN LATERAL (
    SELECT coalesce(sum(cancelled_quantity), 0) AS quantity FROM order_lines WHERE order_id = o.id
) l
WHERE (l.quantity > 0 OR o.cancelled_amount > 0)
  AND NOT (l.quantity > 0 AND o.status = ANY(CAST(:sent AS text[]))
           AND EXISTS (SELECT FROM order_events e WHERE e.order_id = o.id AND e.type = 'rest_cancelled'))
"""

SENT_AS_ORDERED = Invariant(
    "I10",
    "What was sent is what was ordered",
    (
        Check("shipped_within_ordered", "no more is shipped than was ordered", Subject.ORDER_LINES, _SHIPPED),
        Check("shipment_of_own_lines", "a shipment holds lines of its own order", Subject.SHIPMENTS, _OWN_LINES),
        Check("shipments_fit_state", "an order is as far as its shipments", Subject.ORDERS, _FITS_STATE),
        Check("shipments_arrived", "a delivered order's shipments were delivered", Subject.SHIPMENTS, _ARRIVED),
        Check("shares_are_the_total", "the shares of shipments sum to what is owed", Subject.ORDERS, _SHARES),
        Check("rest_was_cancelled", "what was cancelled is the rest of what was sent", Subject.ORDERS, _CANCELLED_REST),
    ),
)
