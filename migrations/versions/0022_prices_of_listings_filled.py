"""Give listings that were there before their prices and traits, while the shop is open.

It can be interrupted, and begins anew.
"""

from alembic import op

from migrations.online import in_batches

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Write the listings of a thousand products at a time, each in a transaction of its own."""
    with op.get_context().autocommit_block():
        for batch in in_batches("SELECT id FROM products WHERE id > $1 ORDER BY id LIMIT $2"):
            op.get_bind().exec_driver_sql("SELECT refresh_listings($1)", (batch,))
