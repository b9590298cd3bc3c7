"""Chores of what payment providers report."""

SWEEP_EVENTS = "webhooks.sweep"
"""Hands over the events that were stored and reached no order."""

FORGET_EVENTS = "webhooks.forget"
"""Deletes events that were handled long ago."""
