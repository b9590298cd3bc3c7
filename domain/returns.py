"""How a return stands."""

from enum import StrEnum

MOST_RETURNS = 100
"""Returns of one order, those that were cancelled with them: asking and cancelling has an end."""


class ReturnStatus(StrEnum):
    """How a return stands. The goods of one that is `requested` are on their way; it ends in one of the others."""

    REQUESTED = "requested"
    RECEIVED = "received"
    CANCELLED = "cancelled"
    """The buyer keeps the goods, or the shop does not take them back."""
