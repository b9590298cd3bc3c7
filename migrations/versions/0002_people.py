"""The tables of accounts: users, their tokens and keys."""

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Nothing yet."""
