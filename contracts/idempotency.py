"""The chore of answers that are kept for `Idempotency-Key`."""

EXPIRE_KEYS = "idempotency.expire"
"""Deletes the keys whose day is over."""
