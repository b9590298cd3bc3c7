"""Products as the shop shows them. PostgreSQL writes their JSON itself: one statement finds a page and writes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from db import product_lists
from db.product_documents import DOCUMENT
from db.product_lists import ProductSearch, SortKey
from db.reads import Reader, fetch
from models.catalog import ProductStatus

_BEFORE_ALL = (datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))


@dataclass(frozen=True, slots=True)
class Document:
    """A product as it is shown, in JSON, and its version."""

    version: int
    json: str


@dataclass(frozen=True, slots=True)
class Found:
    """One product of a list: what it was sorted by, its id, and its document in JSON."""

    key: SortKey
    id: UUID
    json: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a list, and the position that the next part begins after, unless this is the last."""

    products: Sequence[Found]
    after: tuple[SortKey, UUID] | None


_BY_ID = text(f"""
SELECT p.version, {DOCUMENT} AS document FROM products p
WHERE p.id = :id AND (p.status = 'active' OR CAST(:everything AS boolean))
""")  # noqa: S608 - the document is a constant above

_BY_SLUG = text(f"""
SELECT p.version, {DOCUMENT} AS document FROM products p
WHERE p.slug = :slug AND (p.status = 'active' OR CAST(:everything AS boolean))
""")  # noqa: S608 - as above

_REDIRECTED = text("""
SELECT p.slug FROM slug_redirects r JOIN products p ON p.id = r.product_id
WHERE r.slug = :slug AND (p.status = 'active' OR CAST(:everything AS boolean))
""")

_UNSOLD = text(f"""
SELECT p.created_at AS key, p.id, {DOCUMENT} AS document FROM products p
WHERE p.status = CAST(:status AS text) AND (p.created_at, p.id) < (CAST(:key AS timestamptz), CAST(:id AS uuid))
ORDER BY p.created_at DESC, p.id DESC
LIMIT :limit
""")  # noqa: S608 - as above


async def find(reader: Reader, id_or_slug: UUID | str, *, everything: bool = False) -> Document | None:
    """Look up a product by its id or its slug: what is on sale, or for editors `everything`."""
    if isinstance(id_or_slug, UUID):
        rows = await fetch(reader, _BY_ID, {"id": id_or_slug, "everything": everything})
    else:
        rows = await fetch(reader, _BY_SLUG, {"slug": id_or_slug, "everything": everything})
    return Document(*rows[0]) if rows else None


async def redirect(reader: Reader, slug: str, *, everything: bool = False) -> str | None:
    """Return the slug of the product that once had this one."""
    rows = await fetch(reader, _REDIRECTED, {"slug": slug, "everything": everything})
    return str(rows[0][0]) if rows else None


async def search(reader: Reader, search: ProductSearch) -> Part:
    """List products on sale that match everything asked for, in one statement."""
    rows = await fetch(reader, product_lists.statement(search), product_lists.values(search))
    return _part(rows, search.limit)


async def unsold(reader: Reader, status: ProductStatus, *, after: tuple[datetime, UUID] | None, limit: int) -> Part:
    """List drafts or archived products, newest first, for editors."""
    key, last = after or _BEFORE_ALL
    values = {"status": status, "everything": True, "limit": limit + 1, "key": key, "id": last}
    return _part(await fetch(reader, _UNSOLD, values), limit)


def _part(rows: Sequence[Sequence[Any]], limit: int) -> Part:
    """Cut what is too much; a row without a document says up to where products were looked at."""
    found = [Found(*row) for row in rows if row[2] is not None]
    if len(found) > limit:
        return Part(found[:limit], (found[limit - 1].key, found[limit - 1].id))
    return Part(found, next(((key, product) for key, product, json in rows if json is None), None))
