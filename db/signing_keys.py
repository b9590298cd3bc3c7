"""The keys of access tokens: made once, published before they sign, kept until what they have signed has ended."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_LOCK = text("SELECT pg_advisory_xact_lock(7216540814)")

_LIVE = text("""
SELECT kid, public_key, private_key, created_at, signs_from, ends_at FROM signing_keys
WHERE ends_at IS NULL OR ends_at > now() ORDER BY signs_from, kid
""")

_ADD_FIRST = text("""
INSERT INTO signing_keys (kid, public_key, private_key)
SELECT :kid, :public_key, :private_key
WHERE NOT EXISTS (SELECT FROM signing_keys WHERE ends_at IS NULL)
RETURNING kid
""")

_ADD_NEXT = text("""
WITH ended AS (
    UPDATE signing_keys SET ends_at = now() + CAST(:overlap AS interval) + CAST(:outlives AS interval)
    WHERE ends_at IS NULL AND NOT EXISTS (SELECT FROM signing_keys WHERE signs_from > now())
)
INSERT INTO signing_keys (kid, public_key, private_key, signs_from)
SELECT :kid, :public_key, :private_key, now() + CAST(:overlap AS interval)
WHERE NOT EXISTS (SELECT FROM signing_keys WHERE signs_from > now())
RETURNING kid, public_key, private_key, created_at, signs_from, ends_at
""")

_END_ALL = text("UPDATE signing_keys SET ends_at = now() WHERE ends_at IS NULL OR ends_at > now()")

_FORGET = text("""
WITH forgotten AS (DELETE FROM signing_keys WHERE ends_at < now() RETURNING kid) SELECT count(*) FROM forgotten
""")


@dataclass(frozen=True, slots=True)
class SigningKeyRow:
    """A key. `private_key` is encrypted; `ends_at` is known when its successor is."""

    kid: str
    public_key: bytes
    private_key: bytes
    created_at: datetime
    signs_from: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewSigningKey:
    """A key that was just drawn; `private_key` is encrypted."""

    kid: str
    public_key: bytes
    private_key: bytes


async def live(session: AsyncSession) -> list[SigningKeyRow]:
    """List the keys that verify, in the order in which they sign."""
    return [SigningKeyRow(*row) for row in await session.execute(_LIVE)]


async def add_first(session: AsyncSession, key: NewSigningKey) -> bool:
    """Begin with a key, unless there is one already, also if it came to be just now."""
    await session.execute(_LOCK)
    return (await session.execute(_ADD_FIRST, _values(key))).one_or_none() is not None


async def add_next(
    session: AsyncSession, key: NewSigningKey, *, overlap: timedelta, outlives: timedelta
) -> SigningKeyRow | None:
    """Publish the next key, which signs after `overlap`; the one before it ends `outlives` later.

    None: one that does not sign yet is waiting already.
    """
    await session.execute(_LOCK)
    values = _values(key) | {"overlap": overlap, "outlives": outlives}
    row = (await session.execute(_ADD_NEXT, values)).one_or_none()
    return None if row is None else SigningKeyRow(*row)


async def replace_all(session: AsyncSession, key: NewSigningKey) -> None:
    """End every key now, for one was seen by somebody else, and begin anew."""
    await session.execute(_LOCK)
    await session.execute(_END_ALL)
    await session.execute(_ADD_FIRST, _values(key))


async def forget_ended(session: AsyncSession) -> int:
    """Delete the keys whose tokens have all ended, and return how many they were."""
    forgotten: int = (await session.execute(_FORGET)).scalar_one()
    return forgotten


def _values(key: NewSigningKey) -> dict[str, object]:
    return {"kid": key.kid, "public_key": key.public_key, "private_key": key.private_key}
