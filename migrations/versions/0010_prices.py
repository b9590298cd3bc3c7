"""The tables of promotions, tax and shipping."""

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Nothing yet."""
