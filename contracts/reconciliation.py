"""Chores that compare the books, the workflows and the provider's ledger."""

RECONCILE_LATEST = "payments.reconcile"
"""Compares every open order, every running workflow, and the payments of the last days."""

RECONCILE_ALL = "payments.reconcile_all"
"""Compares the whole ledger as well."""
