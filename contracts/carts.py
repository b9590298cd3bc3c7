"""The chore of carts that nobody came back to."""

EXPIRE_CARTS = "carts.expire"
"""Ends the open carts that nobody has touched for long."""
