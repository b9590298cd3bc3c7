"""Give listings that were there before their prices and traits, while the shop is open. It can be interrupted, and begins anew."""

from alembic import op

revision = "0022"
down_revision = "0021"

_BATCH = 1_000


def upgrade() -> None:
    """Write the listings of a thousand products at a time, each in a transaction of its own."""
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        last = "00000000-0000-0000-0000-000000000000"
        while (
            batch := connection.exec_driver_sql(
                "SELECT id FROM products WHERE id > $1 ORDER BY id LIMIT $2", (last, _BATCH)
            )
            .scalars()
            .all()
        ):
            connection.exec_driver_sql("SELECT refresh_listings($1)", (list(batch),))
            last = batch[-1]
