"""The chore of lists whose category was moved."""

RELIST_MOVED = "catalogue.relist_moved"
"""Lists the products of moved categories where these are now."""
