"""The tables of payment attempts, retries and refunds."""

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Nothing yet."""
