"""How often somebody may try: counted in the database, so that more processes do not multiply it.

Whoever is counted is named by a keyed digest: the table tells neither who has an account nor where they are.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

ORIGIN_LIFE = timedelta(days=90)
"""How long an address is known as one of an account's after its last log-in from there."""

# One more try moves the moment at which all are back by `every`; it may never lie further away than all of them take.
_TAKE = text("""
INSERT INTO login_allowances AS a (key, full_at) VALUES (:key, now() + CAST(:every AS interval))
ON CONFLICT (key) DO UPDATE SET full_at = greatest(a.full_at, now()) + CAST(:every AS interval)
WHERE greatest(a.full_at, now()) + CAST(:every AS interval) <= now() + CAST(:span AS interval)
RETURNING key
""")

_WAIT = text("""
SELECT greatest(full_at + CAST(:every AS interval) - CAST(:span AS interval) - now(), interval '0')
FROM login_allowances WHERE key = :key
""")

_GIVE_BACK = text("UPDATE login_allowances SET full_at = full_at - CAST(:every AS interval) WHERE key = :key")

_KNOWS = text("""
SELECT EXISTS (SELECT FROM login_origins WHERE account = :account AND address = :address AND expires_at > now())
""")

_REMEMBER = text("""
INSERT INTO login_origins (account, address, expires_at)
VALUES (:account, :address, now() + CAST(:life AS interval))
ON CONFLICT (account, address) DO UPDATE SET expires_at = excluded.expires_at
""")

_FORGET = text("""
WITH origins AS (DELETE FROM login_origins WHERE account = :account)
DELETE FROM login_allowances WHERE key = 'account:' || :account OR starts_with(key, 'account:' || :account || ':')
""")

_CLEAN = text("""
WITH counts AS (
    DELETE FROM login_allowances WHERE key IN (
        SELECT key FROM login_allowances WHERE full_at < now() ORDER BY full_at LIMIT :most FOR UPDATE SKIP LOCKED
    ) RETURNING 1
), origins AS (
    DELETE FROM login_origins WHERE (account, address) IN (
        SELECT account, address FROM login_origins WHERE expires_at < now() ORDER BY expires_at LIMIT :most
    ) RETURNING 1
)
SELECT (SELECT count(*) FROM counts) + (SELECT count(*) FROM origins)
""")


@dataclass(frozen=True, slots=True)
class Allowance:
    """Who is counted, how many tries there are at once, and how long it takes for one to come back."""

    key: str
    most: int
    every: timedelta


async def take(session: AsyncSession, allowance: Allowance) -> timedelta | None:
    """Take one try. None: it was there; else how long to wait for the next."""
    values = {"key": allowance.key, "every": allowance.every, "span": allowance.every * allowance.most}
    if (await session.execute(_TAKE, values)).one_or_none() is not None:
        return None
    wait: timedelta | None = (await session.execute(_WAIT, values)).scalar_one_or_none()
    return wait or timedelta(0)


async def give_back(session: AsyncSession, allowance: Allowance) -> None:
    """Give a try back that was none: it was right."""
    await session.execute(_GIVE_BACK, {"key": allowance.key, "every": allowance.every})


async def knows(session: AsyncSession, account: str, address: str) -> bool:
    """Tell whether somebody has logged in to this account from this address."""
    known: bool = (await session.execute(_KNOWS, {"account": account, "address": address})).scalar_one()
    return known


async def remember(session: AsyncSession, account: str, address: str) -> None:
    """Note that somebody has logged in to this account from this address."""
    await session.execute(_REMEMBER, {"account": account, "address": address, "life": ORIGIN_LIFE})


async def forget(session: AsyncSession, account: str) -> None:
    """Delete all that is counted for an account (`api.login_limits.LoginLimits.account` names it)."""
    await session.execute(_FORGET, {"account": account})


async def clean(session: AsyncSession, most: int) -> int:
    """Delete counts that say nothing any more, and return how many they were."""
    cleaned: int = (await session.execute(_CLEAN, {"most": most})).scalar_one()
    return cleaned
