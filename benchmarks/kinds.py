"""What is measured beside each other."""

from enum import StrEnum


class Kind(StrEnum):
    """One way to be busy; the rate of the first is divided by those of the others."""

    WHOLE = "whole"
    """An order over the REST API: cart, lines, address, checkout, 201."""
    NOOP = "noop"
    """A workflow with the same commands as an order's, whose activities do nothing."""
    EMPTY = "empty"
    """A workflow that ends at once."""
    SQL = "sql"
    """The statements of an order in their transactions, and nothing else."""
