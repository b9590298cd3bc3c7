"""Make the indices by which undelivered messages and unfinished payments are found among millions of others.

Nothing here holds a lock that a checkout waits for. It can be interrupted at any point, and begins anew.
"""

from alembic import op

from migrations.online import make_index

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        make_index(
            "INDEX", "notifications_undelivered", "notifications (created_at) WHERE state IN ('pending', 'sending')"
        )
        make_index("INDEX", "payment_operations_started", "payment_operations (created_at) WHERE state = 'started'")
        op.execute("RESET lock_timeout")
