"""The attributes that products may have, each with one kind of value."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.reads import Reader, fetch
from domain.errors import InUseError, NotFoundError
from models.catalog import AttributeType

_ALL = text("SELECT name, type FROM attributes ORDER BY name")

_USE = text("""
SELECT name, type FROM attributes WHERE name = ANY(CAST(:names AS text[])) ORDER BY name FOR SHARE
""")

# Before it is looked whether a product has it: whoever gives it to one meanwhile has it locked.
_LOCK = text("SELECT name FROM attributes WHERE name = :name FOR UPDATE")

_ADD = text("INSERT INTO attributes (name, type) VALUES (:name, :type) ON CONFLICT (name) DO NOTHING")

_CHANGE = text("""
UPDATE attributes a SET type = :type
WHERE name = :name AND (type = :type OR NOT EXISTS (SELECT FROM products WHERE attributes ? a.name))
RETURNING name
""")

_REMOVE = text("""
DELETE FROM attributes
WHERE name = :name AND NOT EXISTS (SELECT FROM products WHERE attributes ? CAST(:name AS text))
RETURNING name
""")


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """A property that products may have."""

    name: str
    type: AttributeType


async def every(reader: Reader) -> list[AttributeRow]:
    """List all of them by name; there are few."""
    return [AttributeRow(name, AttributeType(kind)) for name, kind in await fetch(reader, _ALL, {})]


async def used(session: AsyncSession, names: Iterable[str]) -> dict[str, AttributeType]:
    """Return the types of attributes that a product is to have, which stay as they are until the transaction ends."""
    rows = await session.execute(_USE, {"names": sorted(names)})
    return {name: AttributeType(kind) for name, kind in rows}


async def define(session: AsyncSession, name: str, kind: AttributeType) -> None:
    """Add an attribute, or change the type of one that no product has.

    Raises:
        InUseError: products have it with values of another type.
    """
    await session.execute(_ADD, {"name": name, "type": kind})
    await session.execute(_LOCK, {"name": name})
    if (await session.execute(_CHANGE, {"name": name, "type": kind})).first() is None:
        raise InUseError("products have values of another type")


async def remove(session: AsyncSession, name: str) -> None:
    """Remove an attribute that no product has.

    Raises:
        NotFoundError: there is none.
        InUseError: products have it.
    """
    if (await session.execute(_LOCK, {"name": name})).first() is None:
        raise NotFoundError("no such attribute")
    if (await session.execute(_REMOVE, {"name": name})).first() is None:
        raise InUseError("products have it")


def mistakes(known: Mapping[str, AttributeType], values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Tell which values are not of their attribute's type, or of no attribute: (name, what was expected)."""
    found: list[tuple[str, str]] = []
    for name, value in values.items():
        kind = known.get(name)
        if kind is None:
            found.append((name, "There is no such attribute"))
        elif not _fits(kind, value):
            found.append((name, f"Input should be a {kind}"))
    return found


def _fits(kind: AttributeType, value: object) -> bool:
    match kind:
        case AttributeType.TEXT:
            return isinstance(value, str)
        case AttributeType.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case AttributeType.BOOLEAN:
            return isinstance(value, bool)
        case AttributeType.LIST:
            return isinstance(value, list)
