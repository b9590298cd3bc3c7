"""Files that are to be imported: their content, how far each is, and what could not be taken of it.

Whoever works on an import says so in each statement (`WHERE state = …`): one that was called off changes nothing more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import ConflictError, NotFoundError
from domain.merchandise import OPEN, ImportState, Place, Refusal
from models.imports import IS_OPEN

_CREATE = text("""
INSERT INTO imports (id, state, currency, location, skip_refused, actor)
SELECT :id, :state, :currency, code, :skip_refused, :actor
FROM locations WHERE code = :location
RETURNING id
""")

_ADD_CHUNK = text("INSERT INTO import_chunks (import_id, n, content) VALUES (:id, :n, :content)")

_RECEIVED = text("UPDATE imports SET received = true, size_bytes = :size WHERE id = :id")

_CHUNK = text("SELECT content FROM import_chunks WHERE import_id = :id AND n = :n")

_FIND = text("""
SELECT id, state, currency, location, skip_refused, actor, size_bytes, received, read_bytes, read_lines, products,
       refused, applied, ignored_columns, outcome, created_at, ended_at
FROM imports WHERE id = :id
""")

_MOVE = text("""
UPDATE imports
SET state = :to,
    ended_at = CASE WHEN CAST(:to AS text) IN ('done', 'refused', 'cancelled') THEN now() ELSE ended_at END
WHERE id = :id AND state = ANY (CAST(:states AS text[]))
RETURNING id
""")

_APPLIED = text("UPDATE imports SET applied = :applied WHERE id = :id AND state = 'applying' RETURNING id")

_IGNORED = text("UPDATE imports SET ignored_columns = CAST(:columns AS text[]) WHERE id = :id")

_FINISH = text("""
WITH emptied AS (
    DELETE FROM import_products WHERE import_id = :id
)
UPDATE imports SET state = 'done', applied = products, outcome = CAST(:outcome AS jsonb), ended_at = now()
WHERE id = :id AND state = 'applying'
RETURNING id
""")

_REFUSALS = text("""
SELECT n, line, reason FROM import_refusals WHERE import_id = :id AND n > :after ORDER BY n LIMIT :limit
""")

_DUE = text(f"""
SELECT id FROM imports
WHERE {IS_OPEN} AND received AND created_at < now() - CAST(:grace AS interval)
ORDER BY created_at LIMIT :most
""")  # noqa: S608 - a constant

_EMPTY = text("""
WITH old AS (
    SELECT id FROM imports WHERE received AND ended_at < now() - CAST(:kept AS interval)
    ORDER BY created_at LIMIT :most FOR UPDATE SKIP LOCKED
), chunks AS (
    DELETE FROM import_chunks WHERE import_id IN (SELECT id FROM old)
), products AS (
    DELETE FROM import_products WHERE import_id IN (SELECT id FROM old)
), refusals AS (
    DELETE FROM import_refusals WHERE import_id IN (SELECT id FROM old)
), emptied AS (
    UPDATE imports SET received = false WHERE id IN (SELECT id FROM old) RETURNING 1
)
SELECT count(*) FROM emptied
""")


@dataclass(frozen=True, slots=True)
class NewImport:
    """A file that is to be taken over. Amounts in it are of `currency`; new articles are stocked at `location`.

    `skip_refused` leaves products out that can not be taken; otherwise one of them is enough for nothing to be done.
    """

    id: UUID
    currency: str
    location: str
    actor: str
    skip_refused: bool = False


@dataclass(frozen=True, slots=True)
class ImportRow:
    """An import as it stands."""

    id: UUID
    state: ImportState
    currency: str
    location: str
    skip_refused: bool
    actor: str
    size_bytes: int
    received: bool
    read_to: Place
    products: int
    refused: int
    applied: int
    ignored_columns: tuple[str, ...]
    outcome: dict[str, int] | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """A row of a file that can not be taken; `n` is its place in the list."""

    n: int
    line: int
    reason: str


class ImportOverError(ConflictError):
    """The import has ended, or was called off: whoever still works on it has to stop, and undo what it did."""


async def create(session: AsyncSession, wanted: NewImport, state: ImportState = ImportState.QUEUED) -> None:
    """Note a file that is to be imported.

    Raises:
        NotFoundError: there is no such location.
    """
    values = {
        "id": wanted.id,
        "state": state,
        "currency": wanted.currency,
        "location": wanted.location,
        "skip_refused": wanted.skip_refused,
        "actor": wanted.actor,
    }
    if (await session.execute(_CREATE, values)).first() is None:
        raise NotFoundError("no such location")


async def add_chunk(session: AsyncSession, import_id: UUID, n: int, content: bytes) -> None:
    """Keep a piece of the file; pieces count from 0."""
    await session.execute(_ADD_CHUNK, {"id": import_id, "n": n, "content": content})


async def note_received(session: AsyncSession, import_id: UUID, size: int) -> None:
    """Note that the whole file is kept, and how many bytes it has."""
    await session.execute(_RECEIVED, {"id": import_id, "size": size})


async def chunk(session: AsyncSession, import_id: UUID, n: int) -> bytes | None:
    """Return a piece of the file; None behind the last one."""
    content = await session.scalar(_CHUNK, {"id": import_id, "n": n})
    return None if content is None else bytes(content)


async def find(session: AsyncSession, import_id: UUID) -> ImportRow | None:
    """Look an import up."""
    row = (await session.execute(_FIND, {"id": import_id})).mappings().one_or_none()
    return None if row is None else _row(dict(row))


async def move(session: AsyncSession, import_id: UUID, *states: ImportState, to: ImportState) -> None:
    """Take an import from one of some states to another.

    Raises:
        ImportOverError: it is in none of them any more.
    """
    if (await session.execute(_MOVE, {"id": import_id, "states": [*states], "to": to})).first() is None:
        raise ImportOverError("the import has ended")


async def cancel(session: AsyncSession, import_id: UUID) -> None:
    """Call an import off.

    Raises:
        ImportOverError: it has ended.
    """
    await move(session, import_id, *OPEN, to=ImportState.CANCELLED)


async def note_ignored(session: AsyncSession, import_id: UUID, columns: Sequence[str]) -> None:
    """Note the columns of which nothing is made."""
    await session.execute(_IGNORED, {"id": import_id, "columns": [*columns]})


async def note_applied(session: AsyncSession, import_id: UUID, applied: int) -> None:
    """Tell others how many products are written. It is no part of the transaction that writes them.

    Raises:
        ImportOverError: the import was called off.
    """
    if (await session.execute(_APPLIED, {"id": import_id, "applied": applied})).first() is None:
        raise ImportOverError("the import was called off")


async def finish(session: AsyncSession, import_id: UUID, outcome: str) -> None:
    """End an import in the transaction that has applied it; `outcome` are its counts as a JSON object.

    Raises:
        ImportOverError: it was called off meanwhile; nothing of it may be committed.
    """
    if (await session.execute(_FINISH, {"id": import_id, "outcome": outcome})).first() is None:
        raise ImportOverError("the import was called off")


async def refusals(session: AsyncSession, import_id: UUID, *, after: int = 0, limit: int) -> list[RefusalRow]:
    """List what could not be taken, from behind one on."""
    rows = await session.execute(_REFUSALS, {"id": import_id, "after": after, "limit": limit})
    return [RefusalRow(*row) for row in rows]


async def due(session: AsyncSession, most: int, *, grace: timedelta) -> list[UUID]:
    """List imports that have not ended, but for those that were sent just now."""
    return list((await session.execute(_DUE, {"most": most, "grace": grace})).scalars())


async def empty(session: AsyncSession, *, kept: timedelta, most: int) -> int:
    """Delete what is kept of imports that ended long ago, but for what they did; return how many there were."""
    return int((await session.execute(_EMPTY, {"kept": kept, "most": most})).scalar_one())


def told(rows: Sequence[RefusalRow]) -> list[Refusal]:
    """Return refusals as they are told."""
    return [Refusal(row.line, row.reason) for row in rows]


def _row(columns: dict[str, Any]) -> ImportRow:
    read_to = Place(columns.pop("read_bytes"), columns.pop("read_lines"))
    columns["state"] = ImportState(columns["state"])
    columns["ignored_columns"] = tuple(columns["ignored_columns"])
    return ImportRow(read_to=read_to, **columns)
