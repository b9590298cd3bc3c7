"""Promotions as the staff edits them. What carts make of them is in `db/price_rules.py`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from db import price_edits
from domain.errors import ConflictError, InUseError, NotFoundError, TakenError
from models.columns import new_id
from models.pricing import RuleKind

_PROMOTIONS = SQLModel.metadata.tables["promotions"]

_VIEW = """
SELECT p.id, p.code, p.label, p.automatic, p.active, p.combines, p.priority, p.effect, p.basis_points, p.amount, p.buy,
       p.get, p.currency, p.minimum_amount, p.minimum_quantity, p.skus,
       ARRAY(SELECT c.slug FROM promotion_categories pc JOIN categories c ON c.id = pc.category_id
              WHERE pc.promotion_id = p.id ORDER BY c.slug) AS categories,
       p.starts_at, p.ends_at, p.use_limit, p.customer_limit, p.uses, p.version, p.created_at
FROM promotions p
"""
_FIND = text(_VIEW + "WHERE p.id = :id")
_LIST = text(_VIEW + "WHERE p.code > :after ORDER BY p.code LIMIT :limit")

_SET_CATEGORIES = text("""
WITH wanted AS (
    SELECT id FROM categories WHERE slug = ANY(CAST(:slugs AS text[]))
), gone AS (
    DELETE FROM promotion_categories WHERE promotion_id = :id AND category_id NOT IN (SELECT id FROM wanted)
), added AS (
    INSERT INTO promotion_categories (promotion_id, category_id) SELECT :id, id FROM wanted ON CONFLICT DO NOTHING
)
SELECT s.slug FROM unnest(CAST(:slugs AS text[])) AS s (slug) WHERE s.slug NOT IN (SELECT slug FROM categories)
""")

_REDEEMED = text("SELECT EXISTS (SELECT FROM promotion_redemptions WHERE promotion_id = :id)")


@dataclass(frozen=True, slots=True)
class PromotionRow:
    """A promotion; `categories` are slugs, amounts in minor units of `currency`."""

    id: UUID
    code: str
    label: str
    automatic: bool
    active: bool
    combines: bool
    priority: int
    effect: str
    basis_points: int | None
    amount: int | None
    buy: int | None
    get: int | None
    currency: str | None
    minimum_amount: int | None
    minimum_quantity: int
    skus: Sequence[str]
    categories: Sequence[str]
    starts_at: datetime | None
    ends_at: datetime | None
    use_limit: int | None
    customer_limit: int | None
    uses: int
    version: int
    created_at: datetime


class UnknownCategoriesError(Exception):
    """A promotion is to be about categories that do not exist; `slugs` are these."""

    def __init__(self, slugs: Sequence[str]) -> None:
        self.slugs = slugs
        super().__init__(", ".join(slugs))


async def find(session: AsyncSession, promotion: UUID) -> PromotionRow:
    """Look a promotion up.

    Raises:
        NotFoundError: there is none.
    """
    row = (await session.execute(_FIND, {"id": promotion})).one_or_none()
    if row is None:
        raise NotFoundError("no such promotion")
    return PromotionRow(*row)


async def by_code(session: AsyncSession, *, limit: int, after: str = "") -> list[PromotionRow]:
    """List promotions by code, from after one of them on."""
    return [PromotionRow(*row) for row in await session.execute(_LIST, {"after": after, "limit": limit})]


async def create(session: AsyncSession, columns: Mapping[str, Any], categories: Sequence[str]) -> UUID:
    """Write a promotion and return its id.

    Raises:
        TakenError: another one has this code.
        UnknownCategoriesError: there is no such category.
    """
    promotion = new_id()
    statement = insert(_PROMOTIONS).values(id=promotion, **columns).on_conflict_do_nothing(index_elements=["code"])
    if (await session.execute(statement.returning(_PROMOTIONS.c.id))).first() is None:
        raise TakenError("another promotion has this code")
    await _set_categories(session, promotion, categories)
    return promotion


async def replace(
    session: AsyncSession, promotion: UUID, columns: Mapping[str, Any], categories: Sequence[str]
) -> None:
    """Make a touched promotion say something else. What orders have used of it stays counted.

    Raises:
        TakenError: another one has this code.
        ConflictError: it was used more often than it may be from now on.
        UnknownCategoriesError: there is no such category.
    """
    found = await find(session, promotion)
    taken = select(_PROMOTIONS.c.id).where(_PROMOTIONS.c.code == columns["code"], _PROMOTIONS.c.id != promotion)
    if (await session.execute(taken)).first() is not None:
        raise TakenError("another promotion has this code")
    if found.uses and columns["automatic"]:
        raise ConflictError("orders use this code: it can not apply by itself")
    if columns["use_limit"] is not None and columns["use_limit"] < found.uses:
        raise ConflictError(f"orders use this code {found.uses} times already")
    await session.execute(update(_PROMOTIONS).where(_PROMOTIONS.c.id == promotion).values(**columns))
    await _set_categories(session, promotion, categories)


async def remove(session: AsyncSession, promotion: UUID, actor: str) -> None:
    """Remove a touched promotion that no order has ever used.

    Raises:
        InUseError: it can only be made inactive.
    """
    if (await session.execute(_REDEEMED, {"id": promotion})).scalar_one():
        raise InUseError("orders have used it: make it inactive instead")
    await price_edits.remove(session, RuleKind.PROMOTION, promotion, actor)


async def _set_categories(session: AsyncSession, promotion: UUID, slugs: Sequence[str]) -> None:
    unknown = (await session.execute(_SET_CATEGORIES, {"id": promotion, "slugs": list(slugs)})).scalars().all()
    if unknown:
        raise UnknownCategoriesError(unknown)
