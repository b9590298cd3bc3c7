"""Forgetting payment methods that were kept at a provider."""

FORGET_BUYERS = "payments.forget_buyers"
"""The chore that has providers forget the buyers of orders that are not charged any more."""
