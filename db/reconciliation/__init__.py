"""The queries of reconciliation: our side of the books, payments that are given back, and what was found."""
