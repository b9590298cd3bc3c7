"""How fast stock is held by many at once, beside pgbench with the same statement."""
