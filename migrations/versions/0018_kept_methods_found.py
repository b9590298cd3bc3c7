"""Mark the payments whose method was kept before, and make the index by which they are found, while the shop is open.

Nothing here holds a lock that a checkout waits for. It can be interrupted at any point, and begins anew.
"""

from alembic import op

from migrations.online import in_batches, make_index

revision = "0018"
down_revision = "0017"

# The orders that were or are to be paid without their buyer: by retries, or shipment by shipment.
_KEEPING = """
SELECT id FROM orders
WHERE id > $1 AND (capture_policy = 'shipment' OR payment_retry_delays <> '{}')
ORDER BY id LIMIT $2
"""
_MARK = """
UPDATE payment_operations SET keeps_method = true
WHERE order_id = ANY ($1) AND operation = 'authorise' AND provider = 'stripe' AND provider_reference IS NOT NULL
"""


def upgrade() -> None:
    """Mark the payments of a thousand orders at a time, each in a transaction of its own, then make the index."""
    with op.get_context().autocommit_block():
        for batch in in_batches(_KEEPING):
            op.get_bind().exec_driver_sql(_MARK, (batch,))
        op.execute("SET lock_timeout = 0")
        make_index("INDEX", "payment_operations_keeping", "payment_operations (key) WHERE keeps_method")
        op.execute("RESET lock_timeout")
