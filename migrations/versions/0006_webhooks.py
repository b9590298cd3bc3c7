"""The tables of events of payment providers, and reconciliation."""

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Nothing yet."""
