"""The tables of answers kept for Idempotency-Key."""

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Nothing yet."""
