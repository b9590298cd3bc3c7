"""The tables of messages without an order, addresses and preferences."""

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Nothing yet."""
