"""Write down what lists show of the products that were there before, while the shop is open.

It can be interrupted, and begins anew.
"""

from alembic import op

from migrations.online import in_batches

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Write a batch of products at a time, each in a transaction of its own."""
    with op.get_context().autocommit_block():
        for batch in in_batches("SELECT id FROM products WHERE id > $1 ORDER BY id LIMIT $2"):
            op.get_bind().exec_driver_sql("SELECT write_documents($1)", (batch,))
        op.execute("ANALYZE product_documents")
