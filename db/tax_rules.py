"""Tax rules as the staff edits them: one for a country, or for one of its regions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from domain.errors import NotFoundError, TakenError
from models.columns import new_id

_TAXES = SQLModel.metadata.tables["tax_rules"]

_VIEW = "SELECT id, country, region, name, included, rounding, rates, version, created_at FROM tax_rules "
_FIND = text(_VIEW + "WHERE id = :id")
_LIST = text(_VIEW + "WHERE (country, region) > (:country, :region) ORDER BY country, region LIMIT :limit")


@dataclass(frozen=True, slots=True)
class TaxRuleRow:
    """The tax of a place; `rates` are parts per million by category."""

    id: UUID
    country: str
    region: str
    name: str
    included: bool
    rounding: str
    rates: Mapping[str, int]
    version: int
    created_at: datetime


async def find(session: AsyncSession, rule: UUID) -> TaxRuleRow:
    """Look a rule up.

    Raises:
        NotFoundError: there is none.
    """
    row = (await session.execute(_FIND, {"id": rule})).one_or_none()
    if row is None:
        raise NotFoundError("no such tax rule")
    return TaxRuleRow(*row)


async def by_place(session: AsyncSession, *, limit: int, after: tuple[str, str] = ("", "")) -> list[TaxRuleRow]:
    """List rules by country and region, from after one of them on."""
    country, region = after
    rows = await session.execute(_LIST, {"country": country, "region": region, "limit": limit})
    return [TaxRuleRow(*row) for row in rows]


async def create(session: AsyncSession, columns: Mapping[str, Any]) -> UUID:
    """Write a rule and return its id.

    Raises:
        TakenError: there is one for this place.
    """
    rule = new_id()
    statement = insert(_TAXES).values(id=rule, **columns).on_conflict_do_nothing(constraint="tax_rules_place")
    if (await session.execute(statement.returning(_TAXES.c.id))).first() is None:
        raise TakenError("this place has a tax rule")
    return rule


async def replace(session: AsyncSession, rule: UUID, columns: Mapping[str, Any]) -> None:
    """Make a touched rule say something else.

    Raises:
        TakenError: another one is for this place.
    """
    here = (_TAXES.c.country == columns["country"]) & (_TAXES.c.region == columns["region"])
    if (await session.execute(select(_TAXES.c.id).where(here, _TAXES.c.id != rule))).first() is not None:
        raise TakenError("this place has another tax rule")
    await session.execute(update(_TAXES).where(_TAXES.c.id == rule).values(**columns))
