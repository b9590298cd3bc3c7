"""I9 and I11: totals that add up and are explained, and codes that are used as often as orders use them."""

from db.audit.checks import Check, Invariant, Subject

_TOTAL = """
SELECT id AS order_id, number, status, subtotal_amount AS subtotal, discount_amount AS discount,
       shipping_amount AS shipping, tax_amount AS tax, total_amount AS total
FROM orders WHERE total_amount <> subtotal_amount - discount_amount + shipping_amount + tax_amount
"""

_SUBTOTAL = """
SELECT o.id AS order_id, o.number, o.status, o.subtotal_amount AS subtotal, coalesce(l.total, 0) AS lines
FROM orders o LEFT JOIN (
    SELECT order_id, sum(total_amount) AS total FROM order_lines GROUP BY order_id
) l ON l.order_id = o.id
WHERE o.subtotal_amount <> coalesce(l.total, 0)
"""

_LINE_TOTAL = """
SELECT order_id, line_id, sku, quantity, unit_price_amount AS unit_price, total_amount AS total
FROM order_lines WHERE total_amount <> unit_price_amount * quantity
"""

_EXPLAINED = """
SELECT o.id AS order_id, o.number, o.status, o.discount_amount AS discount, o.shipping_amount AS shipping,
       o.tax_amount AS tax, o.tax_included_amount AS tax_included, coalesce(a.discount, 0) AS explained_discount,
       coalesce(a.shipping, 0) AS explained_shipping, coalesce(a.tax, 0) AS explained_tax,
       coalesce(a.tax_included, 0) AS explained_tax_included
FROM orders o LEFT JOIN (
    SELECT order_id, sum(amount) FILTER (WHERE type = 'discount') AS discount,
           sum(amount) FILTER (WHERE type = 'shipping') AS shipping, sum(amount) FILTER (WHERE type = 'tax') AS tax,
           sum(amount) FILTER (WHERE type = 'tax_included') AS tax_included
    FROM order_adjustments GROUP BY order_id
) a ON a.order_id = o.id
WHERE (o.discount_amount, o.shipping_amount, o.tax_amount, o.tax_included_amount) <>
      (coalesce(a.discount, 0), coalesce(a.shipping, 0), coalesce(a.tax, 0), coalesce(a.tax_included, 0))
"""

_LINES_BEAR = """
SELECT l.order_id, l.line_id, l.sku, l.discount_amount AS discount, l.tax_amount AS tax,
       l.tax_included_amount AS tax_included, coalesce(a.discount, 0) AS explained_discount,
       coalesce(a.tax, 0) AS explained_tax, coalesce(a.tax_included, 0) AS explained_tax_included
FROM order_lines l LEFT JOIN (
    SELECT line_id, sum(amount) FILTER (WHERE type = 'discount') AS discount,
           sum(amount) FILTER (WHERE type = 'tax') AS tax,
           sum(amount) FILTER (WHERE type = 'tax_included') AS tax_included
    FROM order_adjustments WHERE line_id IS NOT NULL GROUP BY line_id
) a ON a.line_id = l.line_id
WHERE (l.discount_amount, l.tax_amount, l.tax_included_amount) <>
      (coalesce(a.discount, 0), coalesce(a.tax, 0), coalesce(a.tax_included, 0))
"""

_DISCOUNT_IS_LINES = """
SELECT o.id AS order_id, o.number, o.status, o.discount_amount AS discount, coalesce(l.discount, 0) AS lines
FROM orders o LEFT JOIN (
    SELECT order_id, sum(discount_amount) AS discount FROM order_lines GROUP BY order_id
) l ON l.order_id = o.id
WHERE o.discount_amount <> coalesce(l.discount, 0)
"""

_USES = """
SELECT p.id AS promotion_id, p.code, p.uses, coalesce(r.live, 0) AS live, p.use_limit
FROM promotions p LEFT JOIN (
    SELECT promotion_id, count(*) AS live FROM promotion_redemptions WHERE state = 'live' GROUP BY promotion_id
) r ON r.promotion_id = p.id
WHERE p.uses <> coalesce(r.live, 0) OR p.uses > p.use_limit
"""

_REDEMPTION_FITS = """
SELECT r.promotion_id, r.order_id, o.number, o.status, r.state AS redemption
FROM promotion_redemptions r JOIN orders o ON o.id = r.order_id
WHERE r.state <> CASE WHEN o.status = ANY(CAST(:undone AS text[])) THEN 'released' ELSE 'live' END
"""

TOTAL_ADDS_UP = Invariant(
    "I9",
    "An order's total equals its lines + shipping + tax - discount",
    (
        Check("total_adds_up", "total = subtotal - discount + shipping + tax", Subject.ORDERS, _TOTAL),
        Check("subtotal_is_lines", "the subtotal is the sum of the lines", Subject.ORDERS, _SUBTOTAL),
        Check("total_is_explained", "discount, shipping and tax are what explains them", Subject.ORDERS, _EXPLAINED),
        Check(
            "discount_is_lines", "the discount is the sum of the lines' discounts", Subject.ORDERS, _DISCOUNT_IS_LINES
        ),
        Check("lines_bear_parts", "a line bears its parts of discounts and taxes", Subject.ORDER_LINES, _LINES_BEAR),
        Check("line_is_price", "a line's total is its unit price times its quantity", Subject.ORDER_LINES, _LINE_TOTAL),
    ),
)

CODES_AGREE = Invariant(
    "I11",
    "A promotion code is used as often as orders use it, and never more often than it may be",
    (
        Check("uses_are_redemptions", "uses are live redemptions, within the limit", Subject.PROMOTIONS, _USES),
        Check("redemption_fits_state", "a code is used by orders that stand", Subject.REDEMPTIONS, _REDEMPTION_FITS),
    ),
)
