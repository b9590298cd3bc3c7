"""The statement that holds stock: it allocates an order over the places that have its goods (ADR 17).

It locks in a fixed order: the policies of the SKUs, then their levels by SKU and location, at every active place, so
that what is left of a SKU is known exactly. Then, in turns, it picks the place that has most of what is still missing;
among equals the one with the lowest priority, then the first by code. So a place that has everything comes first, and
an order is split over few. What no place has is backordered, where the policy of the SKU allows that much; else nothing
at all is held.

The new level is made of what was read under the lock. PostgreSQL checks the constraint on a new row before it notices
that the old one is not the newest: a sum over the row would be refused where the level was freed while this waited.
"""

from sqlalchemy import text

SERVES = "(cardinality(l.countries) = 0 OR {country} IS NULL OR {country} = ANY (l.countries))"
"""A condition on the location `l`: it ships to a country. Where the country is not known, every place does."""

SERVES_DESTINATION = SERVES.format(country="(SELECT country FROM destination)")
"""The same for the one row of `destination`."""

_ASKED = """
WITH RECURSIVE asked AS (
    SELECT * FROM unnest(CAST(:skus AS text[]), CAST(:quantities AS bigint[])) AS a (sku, quantity)
)
"""

_ASKED_BEFORE = """
WITH RECURSIVE let_go AS (
    SELECT sku, quantity FROM reservations WHERE order_id = :order_id AND state = 'released' FOR UPDATE
), not_awaited AS (
    SELECT sku, quantity FROM backorders WHERE order_id = :order_id AND state = 'released' FOR UPDATE
), asked AS (
    SELECT sku, sum(quantity)::bigint AS quantity
    FROM (SELECT * FROM let_go UNION ALL SELECT * FROM not_awaited) AS both_of_them GROUP BY sku
)
"""

_ALLOCATED = f"""
, destination AS (
    SELECT o.shipping_address ->> 'country' AS country FROM orders o WHERE o.id = :order_id
), wanted AS (
    SELECT sku, quantity, row_number() OVER (ORDER BY sku) AS n FROM asked
), policy AS (
    SELECT p.sku, p.low_stock_at,
           CASE WHEN EXISTS (SELECT FROM locations l WHERE l.active AND {SERVES_DESTINATION})
                THEN greatest(p.backorder_limit - p.backordered, 0) ELSE 0 END AS backorderable
    FROM stock_policies p JOIN wanted w ON w.sku = p.sku
    ORDER BY p.sku
    FOR UPDATE OF p
), level AS (
    SELECT w.n, w.quantity, s.sku, s.location, s.on_hand, s.reserved, s.on_hand - s.reserved AS available, l.priority,
           {SERVES_DESTINATION} AS serves
    FROM wanted w JOIN stock_levels s ON s.sku = w.sku JOIN locations l ON l.code = s.location
    WHERE l.active AND (SELECT count(*) FROM policy) >= 0
    ORDER BY s.sku, s.location
    FOR UPDATE OF s
), picked (turn, locations, missing) AS (
    SELECT 0, CAST('{{}}' AS text[]), array_agg(quantity ORDER BY n) FROM wanted
    UNION ALL
    SELECT p.turn + 1, p.locations || best.location, rest.missing
    FROM picked p
    CROSS JOIN LATERAL (
        SELECT l.location FROM level l
        WHERE l.serves AND l.available > 0 AND p.missing[l.n] > 0 AND l.location <> ALL (p.locations)
        GROUP BY l.location, l.priority
        ORDER BY sum(least(l.available, p.missing[l.n])) DESC, l.priority, l.location
        LIMIT 1
    ) best
    CROSS JOIN LATERAL (
        SELECT array_agg(greatest(p.missing[a.n] - a.available, 0) ORDER BY a.n) AS missing
        FROM (
            SELECT n, max(available) AS available
            FROM (
                SELECT n, available FROM level WHERE location = best.location
                UNION ALL SELECT n, 0 FROM wanted
            ) AS there
            GROUP BY n
        ) a
    ) rest
), outcome AS (
    SELECT locations, missing FROM picked ORDER BY turn DESC LIMIT 1
), taken AS (
    SELECT sku, location, on_hand, reserved, least(available, quantity - before) AS quantity
    FROM (
        SELECT l.sku, l.location, l.on_hand, l.reserved, l.available, l.quantity, coalesce(sum(l.available) OVER (
                   PARTITION BY l.n ORDER BY array_position(o.locations, l.location)
                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
               ), 0)::bigint AS before
        FROM outcome o JOIN level l ON l.location = ANY (o.locations) AND l.available > 0
    ) AS in_turn
    WHERE before < quantity
), lacking AS (
    SELECT w.sku, w.quantity AS requested, o.missing[w.n] AS missing,
           coalesce((SELECT backorderable FROM policy WHERE sku = w.sku), 0) AS backorderable
    FROM outcome o CROSS JOIN wanted w
    WHERE o.missing[w.n] > 0
), short AS (
    SELECT sku, requested, requested - missing + backorderable AS available FROM lacking WHERE missing > backorderable
), held AS (
    UPDATE stock_levels s SET on_hand = t.on_hand, reserved = t.reserved + t.quantity
    FROM taken t
    WHERE s.sku = t.sku AND s.location = t.location AND NOT EXISTS (SELECT FROM short)
    RETURNING s.sku, s.location, t.quantity
), reserved AS (
    INSERT INTO reservations AS r (order_id, sku, location, quantity, state)
    SELECT :order_id, sku, location, quantity, 'held' FROM held
    ON CONFLICT (order_id, sku, location) DO UPDATE SET quantity = excluded.quantity, state = 'held'
    WHERE r.state = 'released'
), awaited AS (
    INSERT INTO backorders AS b (order_id, sku, quantity, state)
    SELECT :order_id, sku, missing, 'held' FROM lacking WHERE NOT EXISTS (SELECT FROM short)
    ON CONFLICT (order_id, sku) DO UPDATE SET quantity = excluded.quantity, state = 'held' WHERE b.state = 'released'
    RETURNING b.sku, b.quantity
), counted AS (
    UPDATE stock_policies p SET backordered = p.backordered + a.quantity FROM awaited a WHERE p.sku = a.sku
), remaining AS (
    SELECT l.sku, sum(l.available)::bigint AS before, max(l.quantity) - max(o.missing[l.n]) AS taken
    FROM outcome o CROSS JOIN level l
    WHERE l.sku IN (SELECT sku FROM policy WHERE low_stock_at IS NOT NULL)
    GROUP BY l.sku
), alerted AS (
    INSERT INTO stock_alerts (id, sku, low_stock_at, available)
    SELECT uuidv7(), p.sku, p.low_stock_at, r.before - r.taken FROM remaining r JOIN policy p ON p.sku = r.sku
    WHERE r.before > p.low_stock_at AND r.before - r.taken <= p.low_stock_at AND NOT EXISTS (SELECT FROM short)
)
"""  # noqa: S608 - our own words

# An order that is held anew may be allocated otherwise: what it let go elsewhere is forgotten.
_FORGOTTEN = """
, elsewhere AS (
    DELETE FROM reservations r
    WHERE r.order_id = :order_id AND r.state = 'released' AND NOT EXISTS (SELECT FROM short)
      AND NOT EXISTS (SELECT FROM taken t WHERE t.sku = r.sku AND t.location = r.location)
), no_more AS (
    DELETE FROM backorders b
    WHERE b.order_id = :order_id AND b.state = 'released' AND NOT EXISTS (SELECT FROM short)
      AND NOT EXISTS (SELECT FROM lacking k WHERE k.sku = b.sku)
)
"""

_SHORT = "SELECT sku, requested, available FROM short ORDER BY sku"

HOLD = text(_ASKED + _ALLOCATED + _SHORT)
HOLD_AGAIN = text(_ASKED_BEFORE + _ALLOCATED + _FORGOTTEN + _SHORT)
