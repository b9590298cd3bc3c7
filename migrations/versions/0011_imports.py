"""The tables of uploaded files and their import."""

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Nothing yet."""
