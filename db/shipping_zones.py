"""Shipping zones as the staff edits them, each with its countries and methods."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from domain.errors import NotFoundError, TakenError
from models.columns import new_id

_ZONES = SQLModel.metadata.tables["shipping_zones"]
_METHODS = SQLModel.metadata.tables["shipping_methods"]

EVERYWHERE_ELSE = "*"
"""Stands for every country that no zone names."""

_VIEW = """
SELECT z.id, z.name,
       ARRAY(SELECT country FROM shipping_zone_countries WHERE zone_id = z.id ORDER BY country) AS countries,
       coalesce((SELECT jsonb_agg(to_jsonb(m) - 'zone_id' - 'position' ORDER BY m.position)
                   FROM shipping_methods m WHERE m.zone_id = z.id), '[]') AS methods,
       z.version, z.created_at
FROM shipping_zones z
"""
_FIND = text(_VIEW + "WHERE z.id = :id")
_LIST = text(_VIEW + "WHERE z.name > :after ORDER BY z.name LIMIT :limit")

_SET_COUNTRIES = text("""
WITH wanted AS (
    SELECT DISTINCT country FROM unnest(CAST(:countries AS text[])) AS w (country)
), gone AS (
    DELETE FROM shipping_zone_countries WHERE zone_id = :id AND country NOT IN (SELECT country FROM wanted)
), added AS (
    INSERT INTO shipping_zone_countries (country, zone_id) SELECT country, :id FROM wanted
    ON CONFLICT (country) DO UPDATE SET zone_id = excluded.zone_id WHERE shipping_zone_countries.zone_id = :id
    RETURNING country
)
SELECT country FROM wanted WHERE country NOT IN (SELECT country FROM added) ORDER BY country
""")


@dataclass(frozen=True, slots=True)
class ShippingZoneRow:
    """A zone; no countries: everywhere else. `methods` are rows of that table as documents, in their order."""

    id: UUID
    name: str
    countries: Sequence[str]
    methods: Sequence[Mapping[str, Any]]
    version: int
    created_at: datetime


async def find(session: AsyncSession, zone: UUID) -> ShippingZoneRow:
    """Look a zone up.

    Raises:
        NotFoundError: there is none.
    """
    row = (await session.execute(_FIND, {"id": zone})).one_or_none()
    if row is None:
        raise NotFoundError("no such shipping zone")
    return _row(row)


async def by_name(session: AsyncSession, *, limit: int, after: str = "") -> list[ShippingZoneRow]:
    """List zones by name, from after one of them on."""
    return [_row(row) for row in await session.execute(_LIST, {"after": after, "limit": limit})]


async def create(
    session: AsyncSession, name: str, countries: Sequence[str], methods: Sequence[Mapping[str, Any]]
) -> UUID:
    """Write a zone and return its id.

    Raises:
        TakenError: another one has this name, or one of these countries.
    """
    zone = new_id()
    statement = insert(_ZONES).values(id=zone, name=name).on_conflict_do_nothing(index_elements=["name"])
    if (await session.execute(statement.returning(_ZONES.c.id))).first() is None:
        raise TakenError("another shipping zone has this name")
    await _fill(session, zone, countries, methods)
    return zone


async def replace(
    session: AsyncSession, zone: UUID, name: str, countries: Sequence[str], methods: Sequence[Mapping[str, Any]]
) -> None:
    """Make a touched zone say something else.

    Raises:
        TakenError: another one has this name, or one of these countries.
    """
    taken = select(_ZONES.c.id).where(_ZONES.c.name == name, _ZONES.c.id != zone)
    if (await session.execute(taken)).first() is not None:
        raise TakenError("another shipping zone has this name")
    await session.execute(update(_ZONES).where(_ZONES.c.id == zone).values(name=name))
    await session.execute(delete(_METHODS).where(_METHODS.c.zone_id == zone))
    await _fill(session, zone, countries, methods)


async def _fill(
    session: AsyncSession, zone: UUID, countries: Sequence[str], methods: Sequence[Mapping[str, Any]]
) -> None:
    values = {"id": zone, "countries": list(countries) or [EVERYWHERE_ELSE]}
    taken = (await session.execute(_SET_COUNTRIES, values)).scalars().all()
    if taken:
        named = ", ".join(taken).replace(EVERYWHERE_ELSE, "everywhere else")
        raise TakenError(f"another shipping zone is for: {named}")
    rows = [{"zone_id": zone, "position": place, **method} for place, method in enumerate(methods)]
    if rows:
        await session.execute(insert(_METHODS).values(rows))


def _row(row: Any) -> ShippingZoneRow:
    id_, name, countries, methods, version, created_at = row
    named = [country for country in countries if country != EVERYWHERE_ELSE]
    return ShippingZoneRow(id_, name, named, methods, version, created_at)
