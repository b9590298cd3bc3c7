"""Changes of large tables for which no checkout waits. Each can be interrupted at any point, and begun anew.

They run outside a transaction (`op.get_context().autocommit_block()`), and wait for whoever has one open; nobody waits
for them.
"""

from alembic import op


def make_index(kind: str, name: str, columns: str) -> None:
    """Make an index beside the traffic; one that an interrupted migration left unfinished is made anew."""
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.execute(f"CREATE {kind} CONCURRENTLY {name} ON {columns}")


def replace_index(kind: str, name: str, columns: str) -> None:
    """Make an index anew under its name. The old one holds until the new one does."""
    make_index(kind, f"{name}_anew", columns)
    op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    op.execute(f"ALTER INDEX {name}_anew RENAME TO {name}")


def validate(table: str, constraint: str) -> None:
    """Compare the rows of a table with a constraint that has held for new ones only."""
    op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}")
