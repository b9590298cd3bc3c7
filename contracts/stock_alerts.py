"""The chore of low stock."""

TELL_LOW_STOCK = "stock.tell_low"
"""Tells staff of the articles of which little is left."""
