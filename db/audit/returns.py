"""I13: what came back is what was sent, each once, with its stock and its money."""

from db.audit.checks import Check, Invariant, Subject

_RETURNED = """
SELECT l.order_id, l.line_id, l.sku, coalesce(s.quantity, 0) AS sent, l.returned_quantity AS returned,
       coalesce(r.quantity, 0) AS in_returns
FROM order_lines l LEFT JOIN (
    SELECT i.line_id, sum(CASE r.state WHEN 'requested' THEN i.quantity ELSE i.received_quantity END) AS quantity
    FROM return_lines i JOIN returns r ON r.id = i.return_id GROUP BY i.line_id
) r ON r.line_id = l.line_id LEFT JOIN (
    SELECT i.line_id, sum(i.quantity) AS quantity
    FROM shipment_lines i JOIN shipments s ON s.id = i.shipment_id WHERE s.state IN ('shipped', 'delivered')
    GROUP BY i.line_id
) s ON s.line_id = l.line_id
WHERE l.returned_quantity <> coalesce(r.quantity, 0) OR l.returned_quantity > coalesce(s.quantity, 0)
"""

_OWN_LINES = """
SELECT r.id AS return_id, r.order_id, l.order_id AS order_of_line, i.line_id
FROM return_lines i JOIN returns r ON r.id = i.return_id JOIN order_lines l ON l.line_id = i.line_id
WHERE l.order_id <> r.order_id
"""

_STOCKED = """
SELECT coalesce(b.order_id, m.order_id) AS order_id, coalesce(b.sku, m.sku) AS sku,
       coalesce(b.quantity, 0) AS restocked, coalesce(m.quantity, 0) AS moved
FROM (
    SELECT l.order_id, l.sku, sum(i.restocked_quantity) AS quantity
    FROM return_lines i JOIN order_lines l ON l.line_id = i.line_id GROUP BY l.order_id, l.sku
) b FULL JOIN (
    SELECT order_id, sku, sum(delta) AS quantity FROM stock_movements WHERE reason = 'return' GROUP BY order_id, sku
) m ON m.order_id = b.order_id AND m.sku = b.sku
WHERE coalesce(b.quantity, 0) <> coalesce(m.quantity, 0)
"""

# Its refund may have been made before, and lost by a database that was restored: then it is of another amount, or of
# none that the return knows.
_REFUNDED = """
SELECT r.id AS return_id, r.order_id, r.state, r.refund_amount AS owed, f.amount AS refund
FROM returns r LEFT JOIN refunds f ON f.id = r.id
WHERE r.refund_amount > 0 AND (r.state <> 'received' OR f.id IS NULL OR f.order_id <> r.order_id)
"""

_SUBJECT = Subject.RETURNS

CAME_BACK_ONCE = Invariant(
    "I13",
    "What came back is what was sent",
    (
        Check("returned_within_sent", "no more comes back than was sent", Subject.ORDER_LINES, _RETURNED),
        Check("return_of_own_lines", "a return holds lines of its own order", _SUBJECT, _OWN_LINES),
        Check("return_is_stocked", "what can be sold again is in stock once", Subject.STOCK_MOVEMENTS, _STOCKED),
        Check("return_is_refunded", "what is owed for a return is a refund", _SUBJECT, _REFUNDED),
    ),
)
