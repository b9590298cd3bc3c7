"""Changes of tables that are in use, for which no checkout waits longer than a moment.

All but `take` and `hold_writers` run outside a transaction (`op.get_context().autocommit_block()`): they wait for
whoever has one open, nobody waits for them, and each can be interrupted at any point and begun anew.
"""

from collections.abc import Iterator
from uuid import UUID

from alembic import op

_BATCH = 200
"""Rows of one transaction: whoever edits one of them waits until all are done, a few tenths of a second."""
_FIRST = UUID(int=0)


def take(*tables: str) -> None:
    """Lock tables before the first of them is changed: all within a moment, in the order in which a checkout reads.

    Whoever reads one and waits for another that was changed already would have us wait in a circle.
    """
    op.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")


def hold_writers(*tables: str) -> None:
    """Have writers of tables wait, and no reader, before the first trigger is put on one of them.

    All within a moment, in the order in which an edit of a product writes: see `take`.
    """
    op.execute(f"LOCK TABLE {', '.join(tables)} IN SHARE ROW EXCLUSIVE MODE")


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


def in_batches(ids: str) -> Iterator[list[UUID]]:
    """Go through ids, some at a time. `ids` is a statement of those behind `$1` in their order, `$2` at most.

    A migration that gave up and is tried again (`db.migrations`) begins behind the last batch that was done.
    """
    connection, reached = op.get_bind(), _reached()
    while batch := list(connection.exec_driver_sql(ids, (reached.get(ids, _FIRST), _BATCH)).scalars()):
        yield batch
        reached[ids] = batch[-1]
    reached.pop(ids, None)  # another migration may go through the same ids


def _reached() -> dict[str, UUID]:
    """Tell where the batches of each statement are."""
    config = op.get_context().config
    return {} if config is None else config.attributes["reached"]
