"""The tables of what lists and searches of products read."""

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Nothing yet."""
