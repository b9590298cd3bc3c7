"""The category tree. Its edits take turns: a move can not make a circle behind another one's back."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import InUseError, NotFoundError, PreconditionFailedError, TakenError
from models.columns import new_id

_TREE_LOCK = 7_216_540_815
SOON = text("SET LOCAL lock_timeout = '3s'")
"""Editors of products wait behind whoever waits for some of them, or for the tree: that is for three seconds."""

_FIND = text("""
SELECT c.id, c.slug, c.name, parent.slug AS parent, c.version
FROM categories c LEFT JOIN categories parent ON parent.id = c.parent_id
WHERE c.slug = :slug
""")

_BY_SLUG = text("""
SELECT c.id, c.slug, c.name, parent.slug AS parent, c.version
FROM categories c LEFT JOIN categories parent ON parent.id = c.parent_id
WHERE c.slug > :after
ORDER BY c.slug
LIMIT :limit
""")

_INSERT = text("""
INSERT INTO categories (id, slug, name, parent_id) VALUES (:id, :slug, :name, :parent)
ON CONFLICT (slug) DO NOTHING
RETURNING id
""")

_UPDATE = text("""
UPDATE categories SET slug = :slug, name = :name, parent_id = :parent, version = version + 1
WHERE id = :id AND version = coalesce(CAST(:version AS integer), version)
RETURNING id
""")

_ANCESTORS = text("""
WITH RECURSIVE up AS (
    SELECT id, parent_id FROM categories WHERE id = :category
    UNION
    SELECT c.id, c.parent_id FROM categories c JOIN up ON c.id = up.parent_id
)
SELECT id FROM up
""")

_DELETE = text("""
DELETE FROM categories c
WHERE c.id = :id AND c.version = coalesce(CAST(:version AS integer), c.version)
  AND NOT EXISTS (SELECT FROM categories WHERE parent_id = c.id)
  AND NOT EXISTS (SELECT FROM products WHERE category_id = c.id)
  AND NOT EXISTS (SELECT FROM promotion_categories WHERE category_id = c.id)
RETURNING id
""")


@dataclass(frozen=True, slots=True)
class CategoryRow:
    """A category; `parent` is the slug of the one above it."""

    id: UUID
    slug: str
    name: str
    parent: str | None
    version: int


@dataclass(frozen=True, slots=True)
class CategoryContent:
    """What a category is to be; `parent` is the slug of the one above it."""

    slug: str
    name: str
    parent: str | None = None


class UnknownParentError(Exception):
    """The category that is to stand above does not exist, or stands below."""


async def one_at_a_time(session: AsyncSession) -> None:
    """Wait until no other transaction edits the tree, nor a product.

    Whoever edits a product waits behind us, so that we do not wait for long: an import has the lock to its end.
    """
    await session.execute(SOON)
    await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _TREE_LOCK})


async def keep_still(session: AsyncSession) -> None:
    """Wait for whoever edits the tree, and keep others from it: what is written of a category is still true then.

    The triggers of products do so as well, but only when a category's row is locked already.
    """
    await session.execute(text("SELECT pg_advisory_xact_lock_shared(:lock)"), {"lock": _TREE_LOCK})


async def find(session: AsyncSession, slug: str) -> CategoryRow | None:
    """Look a category up."""
    row = (await session.execute(_FIND, {"slug": slug})).one_or_none()
    return None if row is None else CategoryRow(*row)


async def listed(session: AsyncSession, *, limit: int, after: str = "") -> list[CategoryRow]:
    """List the categories by slug, from after one of them on."""
    rows = await session.execute(_BY_SLUG, {"after": after, "limit": limit})
    return [CategoryRow(*row) for row in rows]


async def create(session: AsyncSession, wanted: CategoryContent) -> None:
    """Add a category.

    Raises:
        UnknownParentError: there is no category to stand below.
        TakenError: another one has this slug.
    """
    parent = await _parent(session, wanted.parent)
    values = {"id": new_id(), "slug": wanted.slug, "name": wanted.name, "parent": parent}
    if (await session.execute(_INSERT, values)).first() is None:
        raise TakenError("another category has this slug")


async def change(session: AsyncSession, category: CategoryRow, wanted: CategoryContent, version: int | None) -> None:
    """Rename or move a category with all that is below it.

    Raises:
        UnknownParentError: it would stand below itself or below nothing.
        TakenError: another one has this slug.
        PreconditionFailedError: it has another version by now.
    """
    parent = await _parent(session, wanted.parent)
    if parent is not None and category.id in set((await session.execute(_ANCESTORS, {"category": parent})).scalars()):
        raise UnknownParentError
    namesake = await find(session, wanted.slug)
    if namesake is not None and namesake.id != category.id:
        raise TakenError("another category has this slug")
    values = {"id": category.id, "slug": wanted.slug, "name": wanted.name, "parent": parent, "version": version}
    if (await session.execute(_UPDATE, values)).first() is None:
        raise _changed()


async def remove(session: AsyncSession, slug: str, version: int | None) -> None:
    """Remove a category that is empty. Without a version any will do.

    Raises:
        NotFoundError: there is none.
        PreconditionFailedError: it has another version by now.
        InUseError: products or other categories are in it, or a promotion is about it.
    """
    found = await find(session, slug)
    if found is None:
        raise NotFoundError("no such category")
    if (await session.execute(_DELETE, {"id": found.id, "version": version})).first() is not None:
        return
    if version not in (None, found.version):
        raise _changed()
    raise InUseError("there are products or categories in it, or a promotion is about it")


def _changed() -> PreconditionFailedError:
    return PreconditionFailedError("somebody else has changed this category since it was read")


async def _parent(session: AsyncSession, slug: str | None) -> UUID | None:
    if slug is None:
        return None
    found = await find(session, slug)
    if found is None:
        raise UnknownParentError
    return found.id
