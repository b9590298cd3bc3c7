"""The addresses that people keep. Whoever changes them has locked the account first (`db.people.lock`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from domain.errors import ConflictError
from models.columns import new_id, utc_now

MOST_ADDRESSES = 50


@dataclass(frozen=True, slots=True)
class AddressRow:
    """An address as its row says."""

    id: UUID
    name: str
    line1: str
    line2: str | None
    city: str | None
    region: str | None
    postal_code: str | None
    country: str
    phone: str | None
    default_shipping: bool
    default_billing: bool
    created_at: datetime
    updated_at: datetime


_ADDRESSES = SQLModel.metadata.tables["addresses"]
_COLUMNS = tuple(_ADDRESSES.c[field.name] for field in fields(AddressRow))

_YIELD_DEFAULTS = text("""
UPDATE addresses SET default_shipping = default_shipping AND NOT CAST(:shipping AS boolean),
    default_billing = default_billing AND NOT CAST(:billing AS boolean), updated_at = now()
WHERE user_id = :user_id AND ((default_shipping AND :shipping) OR (default_billing AND :billing))
""")


async def of_user(
    session: AsyncSession, user_id: UUID, *, limit: int, after: UUID | None = None
) -> Sequence[AddressRow]:
    """List a person's addresses in the order in which they were kept, from the one after `after` on."""
    statement = select(*_COLUMNS).where(_ADDRESSES.c.user_id == user_id).order_by(_ADDRESSES.c.id).limit(limit)
    if after is not None:
        statement = statement.where(_ADDRESSES.c.id > after)
    return [AddressRow(*row) for row in await session.execute(statement)]


async def find(session: AsyncSession, user_id: UUID, address_id: UUID) -> AddressRow | None:
    """Look one of a person's addresses up; those of others are not there."""
    statement = select(*_COLUMNS).where(_ADDRESSES.c.id == address_id, _ADDRESSES.c.user_id == user_id)
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else AddressRow(*row)


async def add(session: AsyncSession, user_id: UUID, columns: Mapping[str, Any]) -> AddressRow:
    """Keep an address. As a default it takes the place of the one before.

    Raises:
        ConflictError: there are as many as a person may keep.
    """
    kept = select(func.count()).select_from(_ADDRESSES).where(_ADDRESSES.c.user_id == user_id)
    if (await session.execute(kept)).scalar_one() >= MOST_ADDRESSES:
        raise ConflictError(f"at most {MOST_ADDRESSES} addresses can be kept")
    await _yield_defaults(session, user_id, columns)
    statement = insert(_ADDRESSES).values(id=new_id(), user_id=user_id, **columns)
    return AddressRow(*(await session.execute(statement.returning(*_COLUMNS))).one())


async def change(session: AsyncSession, user_id: UUID, address_id: UUID, columns: Mapping[str, Any]) -> AddressRow:
    """Change an address that is the person's."""
    await _yield_defaults(session, user_id, columns)
    statement = update(_ADDRESSES).where(_ADDRESSES.c.id == address_id, _ADDRESSES.c.user_id == user_id)
    changed = statement.values(updated_at=utc_now(), **columns).returning(*_COLUMNS)
    return AddressRow(*(await session.execute(changed)).one())


async def remove(session: AsyncSession, user_id: UUID, address_id: UUID) -> bool:
    """Forget an address; false when it is not there, or somebody else's."""
    statement = delete(_ADDRESSES).where(_ADDRESSES.c.id == address_id, _ADDRESSES.c.user_id == user_id)
    return (await session.execute(statement.returning(_ADDRESSES.c.id))).one_or_none() is not None


async def _yield_defaults(session: AsyncSession, user_id: UUID, columns: Mapping[str, Any]) -> None:
    """Have the defaults until now give way to a new one."""
    shipping, billing = bool(columns.get("default_shipping")), bool(columns.get("default_billing"))
    if shipping or billing:
        await session.execute(_YIELD_DEFAULTS, {"user_id": user_id, "shipping": shipping, "billing": billing})
