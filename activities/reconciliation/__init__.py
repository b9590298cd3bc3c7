"""Comparing the books, the workflows and the provider's ledger, and putting in order what is unambiguous."""
