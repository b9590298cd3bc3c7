"""People with an account. An erased one is not found any more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import SQLModel

from domain.roles import Role
from models.columns import new_id, utc_now

_USERS = SQLModel.metadata.tables["users"]

_FIND = text("""
SELECT id, email, password_hash, name, phone, locale, roles, email_verified_at, created_at FROM users
WHERE id = :id AND erased_at IS NULL
""")

_FIND_BY_EMAIL = text("""
SELECT id, email, password_hash, name, phone, locale, roles, email_verified_at, created_at FROM users
WHERE email = :email
""")

_STAFF = text("""
SELECT id, email, password_hash, name, phone, locale, roles, email_verified_at, created_at FROM users
WHERE roles <> '{}' ORDER BY email
""")

_REGISTER = text("""
WITH added AS (
    INSERT INTO users (id, email) VALUES (:id, :email) ON CONFLICT (email) DO NOTHING RETURNING id, email_verified_at
)
SELECT id, email_verified_at FROM added
UNION ALL
SELECT id, email_verified_at FROM users WHERE email = :email
LIMIT 1
""")

_CREATE = text("""
INSERT INTO users (id, email, password_hash, name, roles, email_verified_at)
VALUES (:id, :email, :password_hash, :name, :roles, now())
ON CONFLICT (email) DO NOTHING RETURNING id
""")

_SET_PASSWORD = text("""
UPDATE users SET password_hash = :hash, email_verified_at = coalesce(email_verified_at, now()), updated_at = now()
WHERE id = :id AND erased_at IS NULL
""")

_REHASH = text("UPDATE users SET password_hash = :new WHERE id = :id AND password_hash = :old")

_GRANT = text("""
UPDATE users SET roles = ARRAY(SELECT DISTINCT r FROM unnest(roles || CAST(:roles AS text[])) AS r ORDER BY r),
    updated_at = now()
WHERE email = :email AND email_verified_at IS NOT NULL
RETURNING id
""")

_REVOKE = text("""
UPDATE users SET roles = ARRAY(SELECT r FROM unnest(roles) AS r WHERE r <> ALL(CAST(:roles AS text[])) ORDER BY r),
    updated_at = now()
WHERE email = :email AND email_verified_at IS NOT NULL
RETURNING id
""")

_FORGET_UNVERIFIED = text("""
WITH forgotten AS (
    DELETE FROM users WHERE id IN (
        SELECT id FROM users u
        WHERE u.email_verified_at IS NULL AND u.created_at < now() - interval '1 day' AND u.erased_at IS NULL
          AND NOT EXISTS (SELECT FROM one_time_tokens t WHERE t.user_id = u.id AND t.expires_at > now())
        ORDER BY u.created_at LIMIT :most
        FOR UPDATE SKIP LOCKED
    ) RETURNING 1
)
SELECT count(*) FROM forgotten
""")


@dataclass(frozen=True, slots=True)
class UserRow:
    """A person with an account. Without `email_verified_at` there is no password, and nobody can log in."""

    id: UUID
    email: str
    password_hash: str | None
    name: str | None
    phone: str | None
    locale: str | None
    roles: list[str]
    email_verified_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Registered:
    """The account of an address, and whether somebody has shown that the address is theirs."""

    id: UUID
    verified: bool


async def find(session: AsyncSession, user_id: UUID) -> UserRow | None:
    """Look a person up."""
    row = (await session.execute(_FIND, {"id": user_id})).one_or_none()
    return None if row is None else UserRow(*row)


async def find_by_email(session: AsyncSession, email: str) -> UserRow | None:
    """Look a person up by the address, in the form of `domain.accounts.email_key`."""
    row = (await session.execute(_FIND_BY_EMAIL, {"email": email})).one_or_none()
    return None if row is None else UserRow(*row)


async def staff(session: AsyncSession) -> list[UserRow]:
    """List everybody who has a role of staff."""
    return [UserRow(*row) for row in await session.execute(_STAFF)]


async def register(session: AsyncSession, email: str) -> Registered:
    """Return the account of an address, which is made if there is none."""
    row = (await session.execute(_REGISTER, {"id": new_id(), "email": email})).one_or_none()
    if row is None:  # somebody else made it just now, and this statement could not see it yet
        row = (await session.execute(_REGISTER, {"id": new_id(), "email": email})).one()
    return Registered(row[0], row[1] is not None)


async def create(
    session: AsyncSession, email: str, password_hash: str, *, name: str | None = None, roles: Sequence[Role] = ()
) -> UUID | None:
    """Make an account whose address needs no proof; None when there is one of this address."""
    values = {"id": new_id(), "email": email, "password_hash": password_hash, "name": name, "roles": sorted(roles)}
    created: UUID | None = (await session.execute(_CREATE, values)).scalar_one_or_none()
    return created


async def set_password(session: AsyncSession, user_id: UUID, password_hash: str) -> None:
    """Replace the password of somebody who has shown who they are. The address is theirs then as well."""
    await session.execute(_SET_PASSWORD, {"id": user_id, "hash": password_hash})


async def rehash(session: AsyncSession, user_id: UUID, old: str, new: str) -> None:
    """Keep the same password under other parameters, unless it was changed meanwhile."""
    await session.execute(_REHASH, {"id": user_id, "old": old, "new": new})


async def change(session: AsyncSession, user_id: UUID, changes: Mapping[str, str | None]) -> UserRow | None:
    """Change a profile; None when there is none any more. `changes` are columns by name."""
    if changes:
        statement = update(_USERS).where(_USERS.c.id == user_id, _USERS.c.erased_at.is_(None))
        await session.execute(statement.values(**changes, updated_at=utc_now()))
    return await find(session, user_id)


async def grant(session: AsyncSession, email: str, roles: Sequence[Role]) -> UUID | None:
    """Make somebody staff; None when nobody has shown that the address is theirs."""
    found: UUID | None = (await session.execute(_GRANT, {"email": email, "roles": list(roles)})).scalar_one_or_none()
    return found


async def revoke(session: AsyncSession, email: str, roles: Sequence[Role]) -> UUID | None:
    """Take roles away; None when there is no such account."""
    found: UUID | None = (await session.execute(_REVOKE, {"email": email, "roles": list(roles)})).scalar_one_or_none()
    return found


async def forget_unverified(session: AsyncSession, most: int) -> int:
    """Delete accounts that nobody has confirmed while a link could, and return how many they were."""
    forgotten: int = (await session.execute(_FORGET_UNVERIFIED, {"most": most})).scalar_one()
    return forgotten
