"""I1 and I2: the levels agree with reservations and movements, and nothing was sold that was not there."""

from db.audit.checks import Check, Invariant, Subject

_RESERVED_IS_HELD = """
SELECT coalesce(l.sku, h.sku) AS sku, coalesce(l.location, h.location) AS location,
       coalesce(l.reserved, 0) AS reserved, coalesce(h.quantity, 0) AS held
FROM stock_levels l
FULL JOIN (
    SELECT sku, location, sum(quantity) AS quantity FROM reservations WHERE state = 'held' GROUP BY sku, location
) h ON h.sku = l.sku AND h.location = l.location
WHERE coalesce(l.reserved, 0) <> coalesce(h.quantity, 0)
"""

_ON_HAND_IS_MOVED = """
SELECT coalesce(l.sku, m.sku) AS sku, coalesce(l.location, m.location) AS location,
       coalesce(l.on_hand, 0) AS on_hand, coalesce(m.delta, 0) AS moved
FROM stock_levels l
FULL JOIN (
    SELECT sku, location, sum(delta) AS delta FROM stock_movements GROUP BY sku, location
) m ON m.sku = l.sku AND m.location = l.location
WHERE coalesce(l.on_hand, 0) <> coalesce(m.delta, 0)
"""

_NOT_BELOW_ZERO = """
SELECT sku, location, on_hand, reserved FROM stock_levels WHERE on_hand < 0 OR reserved < 0 OR reserved > on_hand
"""

_FITS_STATE = """
SELECT o.id AS order_id, o.number, o.status, r.sku, r.location, r.quantity, r.state AS reservation
FROM (
    SELECT order_id, sku, location, quantity, state FROM reservations
    UNION ALL SELECT order_id, sku, NULL, quantity, state FROM backorders
) r JOIN orders o ON o.id = r.order_id
WHERE r.state <> CASE
    WHEN o.status = 'payment_required' AND o.payment_retry_at IS NOT NULL AND NOT o.payment_retry_holds_stock
        THEN 'released'
    WHEN o.status = ANY(CAST(:unpaid AS text[])) THEN 'held'
    WHEN o.status = ANY(CAST(:placed_onward AS text[])) THEN 'committed'
    WHEN o.status = ANY(CAST(:undone AS text[])) THEN 'released'
    ELSE r.state
END
"""

_EQUALS_LINES = """
SELECT o.id AS order_id, o.number, o.status, b.sku, b.bought, b.reserved
FROM (
    SELECT coalesce(l.order_id, r.order_id) AS order_id, coalesce(l.sku, r.sku) AS sku,
           coalesce(l.quantity, 0) AS bought, coalesce(r.quantity, 0) AS reserved
    FROM (
        SELECT order_id, sku, sum(quantity - cancelled_quantity) AS quantity FROM order_lines GROUP BY order_id, sku
    ) l
    FULL JOIN (
        SELECT order_id, sku, sum(quantity) AS quantity
        FROM (
            SELECT order_id, sku, quantity FROM reservations
            UNION ALL SELECT order_id, sku, quantity FROM backorders
        ) AS promised
        GROUP BY order_id, sku
    ) r ON r.order_id = l.order_id AND r.sku = l.sku
    WHERE coalesce(l.quantity, 0) <> coalesce(r.quantity, 0)
) b JOIN orders o ON o.id = b.order_id
WHERE o.status = ANY(CAST(:unpaid AS text[])) OR o.status = ANY(CAST(:placed_onward AS text[]))
"""

_SALE_IS_MOVED = """
SELECT coalesce(r.order_id, m.order_id) AS order_id, coalesce(r.sku, m.sku) AS sku,
       coalesce(r.location, m.location) AS location, coalesce(r.quantity, 0) AS sold, coalesce(m.quantity, 0) AS moved
FROM (SELECT order_id, sku, location, quantity FROM reservations WHERE state = 'committed') r
FULL JOIN (
    SELECT order_id, sku, location, -sum(delta) AS quantity FROM stock_movements
    WHERE order_id IS NOT NULL AND reason IN ('sale', 'backorder', 'cancellation')
    GROUP BY order_id, sku, location
) m ON m.order_id = r.order_id AND m.sku = r.sku AND m.location = r.location
WHERE coalesce(r.quantity, 0) <> coalesce(m.quantity, 0)
"""

_AWAITED_IS_COUNTED = """
SELECT coalesce(p.sku, b.sku) AS sku, coalesce(p.backordered, 0) AS backordered, coalesce(b.quantity, 0) AS awaited
FROM stock_policies p
FULL JOIN (
    SELECT sku, sum(quantity) AS quantity FROM backorders WHERE state <> 'released' GROUP BY sku
) b ON b.sku = p.sku
WHERE coalesce(p.backordered, 0) <> coalesce(b.quantity, 0)
"""

_TRANSFER_IS_EVEN = """
SELECT sku, sum(delta) AS made FROM stock_movements WHERE reason = 'transfer' GROUP BY sku HAVING sum(delta) <> 0
"""

_SHIPPED_IS_THERE = """
SELECT b.order_id, b.sku, l.bought, l.shipped, b.quantity AS awaited
FROM backorders b CROSS JOIN LATERAL (
    SELECT sum(quantity) AS bought, sum(shipped_quantity) AS shipped
    FROM order_lines WHERE order_id = b.order_id AND sku = b.sku
) l
WHERE b.state = 'committed' AND l.shipped > l.bought - b.quantity
"""

# What came in, less what was written off: stricter than what came in.
_NOT_OVERSOLD = """
SELECT r.sku, r.sold, r.held, coalesce(m.received, 0) AS received
FROM (
    SELECT sku, coalesce(sum(quantity) FILTER (WHERE state = 'committed'), 0) AS sold,
           coalesce(sum(quantity) FILTER (WHERE state = 'held'), 0) AS held
    FROM reservations WHERE state <> 'released' GROUP BY sku
) r
LEFT JOIN (
    SELECT sku, sum(delta) AS received FROM stock_movements
    WHERE reason NOT IN ('sale', 'backorder', 'cancellation') GROUP BY sku
) m ON m.sku = r.sku
WHERE r.sold + r.held > coalesce(m.received, 0)
"""

STOCK_AGREES = Invariant(
    "I1",
    "Stock agrees with what orders hold and with every movement",
    (
        Check("reserved_is_held", "reserved is the sum of held reservations", Subject.STOCK_LEVELS, _RESERVED_IS_HELD),
        Check("on_hand_is_moved", "on hand is the sum of movements", Subject.STOCK_LEVELS, _ON_HAND_IS_MOVED),
        Check("not_below_zero", "0 <= reserved <= on hand", Subject.STOCK_LEVELS, _NOT_BELOW_ZERO),
        Check("reservation_fits_state", "a reservation fits its order's state", Subject.RESERVATIONS, _FITS_STATE),
        Check("reservation_equals_lines", "an order reserves what its lines say", Subject.ORDER_LINES, _EQUALS_LINES),
        Check("sale_is_moved", "what an order has bought left the stock once", Subject.STOCK_MOVEMENTS, _SALE_IS_MOVED),
        Check("awaited_is_counted", "what is backordered is counted", Subject.STOCK_POLICIES, _AWAITED_IS_COUNTED),
        Check("transfer_is_even", "a transfer makes and loses nothing", Subject.STOCK_MOVEMENTS, _TRANSFER_IS_EVEN),
        Check("shipped_is_there", "what is awaited was not shipped", Subject.BACKORDERS, _SHIPPED_IS_THERE),
    ),
)

NOT_OVERSOLD = Invariant(
    "I2",
    "Sold and held never exceed what was received",
    (Check("not_oversold", "sold + held <= received, by SKU", Subject.RESERVATIONS, _NOT_OVERSOLD),),
)
