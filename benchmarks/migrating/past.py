"""What a shop of an older revision has behind it: goods that were received, and an order of every tenth product."""

from benchmarks.catalogue.goods import Tell, fill
from benchmarks.migrating.clients import connected

_RECEIVED = """
INSERT INTO stock_movements (id, sku, location, delta, reason, actor, note)
SELECT uuidv7(), sku, location, on_hand, 'receipt', 'bench', '' FROM stock_levels WHERE on_hand > 0
"""
_CARTS = """
INSERT INTO carts (id, status, checkout_attempt, currency)
SELECT CAST(md5('order ' || n) AS uuid), 'ordered', 1, 'GBP' FROM generate_series(1, $1::int) n
"""
_ORDERS = """
INSERT INTO orders (
    id, cart_id, checkout_attempt, status, payment_status, currency, subtotal_amount, discount_amount, shipping_amount,
    tax_amount, total_amount, captured_amount, refunded_amount, payment_attempt, capture_policy
)
SELECT id, id, 1, 'closed', 'captured', 'GBP', 1000, 0, 0, 0, 1000, 1000, 0, 1,
       CASE get_byte(uuid_send(id), 15) % 4 WHEN 0 THEN 'shipment' ELSE 'placement' END
FROM carts
"""
_LINES = """
INSERT INTO order_lines (
    line_id, order_id, position, sku, title, quantity, shipped_quantity, unit_price_amount, total_amount
)
SELECT uuidv7(), CAST(md5('order ' || n) AS uuid), 0, 'SKU-' || lpad(CAST(n AS text), 8, '0') || '-0', 'A thing', 1, 1,
       1000, 1000
FROM generate_series(1, $1::int) n
"""
_PAYMENTS = """
INSERT INTO payment_operations (
    key, order_id, operation, attempt, n, amount, currency, provider, provider_reference, state
)
SELECT id || ':' || operation || ':1', id, operation, 1, 1, 1000, 'GBP', 'stripe', 'pi_' || id, 'succeeded'
FROM orders, unnest(ARRAY['authorise', 'capture']) AS operation
"""


async def fill_with_past(url: str, products: int, tell: Tell) -> None:
    """Fill an empty database of any revision since stock is held in several places."""
    await fill(url, products, tell)
    async with connected(url) as connection:
        await connection.execute(_RECEIVED)
        await connection.execute(_CARTS, products // 10)
        await connection.execute(_ORDERS)
        await connection.execute(_LINES, products // 10)
        await connection.execute(_PAYMENTS)
        await connection.execute("VACUUM ANALYZE")
