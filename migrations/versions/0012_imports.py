"""The tables of uploaded files and their import."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"

_NOW = sa.text("now()")
_ZERO = sa.text("0")
_OPEN = "state IN ('queued', 'reading', 'applying')"


def _part_of_an_import() -> tuple[sa.Column[object], sa.ForeignKeyConstraint]:
    return (
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], ondelete="CASCADE"),
    )


def upgrade() -> None:
    """Make tables that nobody reads yet."""
    op.create_table(
        "imports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("skip_refused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), server_default=_ZERO, nullable=False),
        sa.Column("received", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        *(
            sa.Column(count, sa.BigInteger(), server_default=_ZERO, nullable=False)
            for count in ("read_bytes", "read_lines", "products", "refused", "applied")
        ),
        sa.Column("ignored_columns", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("outcome", postgresql.JSONB(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'reading', 'applying', 'done', 'refused', 'cancelled')", name="imports_state"
        ),
        sa.ForeignKeyConstraint(["location"], ["locations.code"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("imports_open", "imports", ["created_at"], postgresql_where=sa.text(_OPEN))
    op.create_index("imports_kept", "imports", ["created_at"], postgresql_where=sa.text("received"))
    op.create_table(
        "import_chunks",
        *_part_of_an_import(),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("import_id", "n"),
    )
    op.create_table(
        "import_products",
        *_part_of_an_import(),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("product", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("import_id", "n"),
    )
    op.create_table(
        "import_refusals",
        *_part_of_an_import(),
        sa.Column("n", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("import_id", "n"),
    )
