"""The places that hold stock: whether they sell, where they ship to, and which of them comes first."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db import backorders
from domain.errors import NotFoundError, PreconditionFailedError


@dataclass(frozen=True, slots=True)
class LocationRow:
    """A place that holds stock.

    Where several could send an order, the one with the lowest `priority` does. No `countries` means that it ships to
    all; what lies at one that is not `active` is not sold. `version` grows with every change.
    """

    code: str
    name: str
    priority: int = 100
    countries: Sequence[str] = ()
    active: bool = True
    version: int = 1


@dataclass(frozen=True, slots=True)
class LocationChange:
    """What is to change of a location; None stays as it is."""

    name: str | None = None
    priority: int | None = None
    countries: Sequence[str] | None = None
    active: bool | None = None


_GIVEN = "code, name, priority, countries, active"
_COLUMNS = f"{_GIVEN}, version"
_FIND = text(f"SELECT {_COLUMNS} FROM locations WHERE code = :code")  # noqa: S608 - our own words
_LIST = text(f"SELECT {_COLUMNS} FROM locations WHERE code > :after ORDER BY code LIMIT :limit")  # noqa: S608
_ADD = text(f"""
INSERT INTO locations ({_GIVEN}) VALUES (:code, :name, :priority, CAST(:countries AS text[]), :active)
ON CONFLICT (code) DO NOTHING
RETURNING {_COLUMNS}
""")  # noqa: S608 - our own words
_CHANGE = text(f"""
UPDATE locations SET
    name = coalesce(CAST(:name AS text), name), priority = coalesce(CAST(:priority AS integer), priority),
    countries = coalesce(CAST(:countries AS text[]), countries), active = coalesce(CAST(:active AS boolean), active),
    version = version + 1
WHERE code = :code AND version = coalesce(CAST(:version AS integer), version)
RETURNING {_COLUMNS}
""")  # noqa: S608 - our own words
_AWAITED = text("""
SELECT p.sku FROM stock_policies p JOIN stock_levels s ON s.sku = p.sku
WHERE p.backordered > 0 AND s.location = :code AND s.on_hand > s.reserved
ORDER BY p.sku
""")


async def find(session: AsyncSession, code: str) -> LocationRow:
    """Look a location up.

    Raises:
        NotFoundError: there is none.
    """
    row = (await session.execute(_FIND, {"code": code})).one_or_none()
    if row is None:
        raise NotFoundError("no such location")
    return LocationRow(*row)


async def page(session: AsyncSession, *, limit: int, after: str = "") -> list[LocationRow]:
    """List the locations by code, from after one of them on."""
    rows = await session.execute(_LIST, {"after": after, "limit": limit})
    return [LocationRow(*row) for row in rows]


async def add(session: AsyncSession, location: LocationRow) -> LocationRow | None:
    """Add a location, or return None when its code is taken."""
    values = {
        "code": location.code,
        "name": location.name,
        "priority": location.priority,
        "countries": list(location.countries),
        "active": location.active,
    }
    row = (await session.execute(_ADD, values)).one_or_none()
    return None if row is None else LocationRow(*row)


async def change(session: AsyncSession, code: str, change: LocationChange, version: int | None) -> LocationRow:
    """Change a location. What is held there stays held. Without a version any will do.

    Orders that wait for goods are served, where the location now sells what it did not sell before.

    Raises:
        NotFoundError: there is none.
        PreconditionFailedError: it has another version by now.
    """
    values = {
        "code": code,
        "name": change.name,
        "priority": change.priority,
        "countries": None if change.countries is None else list(change.countries),
        "active": change.active,
        "version": version,
    }
    row = (await session.execute(_CHANGE, values)).one_or_none()
    if row is None:
        await find(session, code)
        raise PreconditionFailedError("somebody else has changed this location since it was read")
    awaited = (await session.execute(_AWAITED, {"code": code})).scalars().all()
    if awaited:
        await backorders.lock(session, awaited)
        await backorders.fill(session, awaited)
    return LocationRow(*row)
