"""Links that were mailed: each works once, which deletes it, and not for long."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.one_time_tokens import one_time_token, token_digest
from models.columns import new_id
from models.users import LinkPurpose

VERIFY_LIFE = timedelta(days=1)
RESET_LIFE = timedelta(hours=1)

_ISSUE_VERIFICATION = text("""
INSERT INTO one_time_tokens (id, user_id, purpose, digest, password_hash, name, phone, locale, expires_at)
VALUES (:id, :user_id, 'verify_email', :digest, :password_hash, :name, :phone, :locale, now() + CAST(:life AS interval))
""")

_ISSUE_RESET = text("""
INSERT INTO one_time_tokens (id, user_id, purpose, digest, expires_at)
SELECT :id, id, 'reset_password', :digest, now() + CAST(:life AS interval)
FROM users WHERE email = :email AND email_verified_at IS NOT NULL
RETURNING user_id
""")

_FIND = text("""
SELECT user_id, password_hash, name, phone, locale FROM one_time_tokens
WHERE digest = :digest AND purpose = :purpose AND expires_at > now()
""")

_USE = text("""
DELETE FROM one_time_tokens WHERE digest = :digest AND purpose = :purpose AND expires_at > now()
RETURNING user_id, password_hash, name, phone, locale
""")

# The first of several registrations to be confirmed is the one that counts.
_VERIFY = text("""
UPDATE users
SET password_hash = :password_hash, name = :name, phone = :phone, locale = :locale, email_verified_at = now(),
    updated_at = now()
WHERE id = :user_id AND email_verified_at IS NULL AND erased_at IS NULL
RETURNING id
""")

_WITHDRAW = text("DELETE FROM one_time_tokens WHERE user_id = :user_id")

_FORGET = text("""
WITH forgotten AS (
    DELETE FROM one_time_tokens WHERE id IN (
        SELECT id FROM one_time_tokens WHERE expires_at < now() ORDER BY expires_at LIMIT :most
    ) RETURNING 1
)
SELECT count(*) FROM forgotten
""")


@dataclass(frozen=True, slots=True)
class Registration:
    """What somebody chose who registered."""

    password_hash: str
    name: str | None = None
    phone: str | None = None
    locale: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """Whose link it was, and what was chosen in the registration that it confirms."""

    user_id: UUID
    password_hash: str | None
    name: str | None
    phone: str | None
    locale: str | None


async def issue_verification(session: AsyncSession, secret: str, user_id: UUID, chosen: Registration) -> UUID:
    """Make the link that confirms a registration, and return its id."""
    id_ = new_id()
    values = {
        "id": id_,
        "user_id": user_id,
        "digest": token_digest(one_time_token(secret, id_)),
        "password_hash": chosen.password_hash,
        "name": chosen.name,
        "phone": chosen.phone,
        "locale": chosen.locale,
        "life": VERIFY_LIFE,
    }
    await session.execute(_ISSUE_VERIFICATION, values)
    return id_


async def issue_reset(session: AsyncSession, secret: str, email: str) -> tuple[UUID, UUID | None]:
    """Make the link that lets somebody choose another password; its id, and whose it is if anybody's."""
    id_ = new_id()
    values = {"id": id_, "digest": token_digest(one_time_token(secret, id_)), "email": email, "life": RESET_LIFE}
    user_id: UUID | None = (await session.execute(_ISSUE_RESET, values)).scalar_one_or_none()
    return id_, user_id


async def find(session: AsyncSession, token: str, purpose: LinkPurpose) -> Link | None:
    """Look at a link without using it."""
    row = (await session.execute(_FIND, {"digest": token_digest(token), "purpose": purpose})).one_or_none()
    return None if row is None else Link(*row)


async def use(session: AsyncSession, token: str, purpose: LinkPurpose) -> Link | None:
    """Use a link up; None when it is none, was used, or has run out. Of several at once one gets it."""
    row = (await session.execute(_USE, {"digest": token_digest(token), "purpose": purpose})).one_or_none()
    return None if row is None else Link(*row)


async def verify(session: AsyncSession, link: Link) -> bool:
    """Make the registration that a used link confirms the account; false when another one was before."""
    values = {
        "user_id": link.user_id,
        "password_hash": link.password_hash,
        "name": link.name,
        "phone": link.phone,
        "locale": link.locale,
    }
    return (await session.execute(_VERIFY, values)).one_or_none() is not None


async def withdraw(session: AsyncSession, user_id: UUID) -> None:
    """Make every link that was mailed to somebody useless."""
    await session.execute(_WITHDRAW, {"user_id": user_id})


async def forget_ended(session: AsyncSession, most: int) -> int:
    """Delete links that have run out, and return how many they were."""
    forgotten: int = (await session.execute(_FORGET, {"most": most})).scalar_one()
    return forgotten
