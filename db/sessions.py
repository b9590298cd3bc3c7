"""Log-ins and their refresh tokens. One token of a session counts; those before it are kept to notice a thief."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from models.columns import new_id

SESSION_LIFE = timedelta(days=30)
"""How long a session lasts after it was last used."""

# Who changes the password changes the row of the person, so it waits for this, or this waits for it and finds another.
_BEGIN = text("""
WITH proven AS (
    SELECT id FROM users
    WHERE id = :user_id AND erased_at IS NULL AND (CAST(:hash AS text) IS NULL OR password_hash = :hash)
    FOR SHARE
), begun AS (
    INSERT INTO user_sessions (id, user_id, expires_at)
    SELECT :id, id, now() + CAST(:life AS interval) FROM proven
    RETURNING id
)
INSERT INTO refresh_tokens (digest, session_id) SELECT :digest, id FROM begun RETURNING session_id
""")

# The row of the session is locked first: two refreshes of one session come one after the other.
_LOCK = text("""
SELECT s.id, s.user_id, u.roles
FROM user_sessions s JOIN users u ON u.id = s.user_id
WHERE s.id = (SELECT session_id FROM refresh_tokens WHERE digest = :digest)
  AND s.revoked_at IS NULL AND s.expires_at > now() AND u.erased_at IS NULL
FOR UPDATE OF s
""")

_USE = text("""
WITH used AS (
    UPDATE refresh_tokens SET used_at = now() WHERE digest = :digest AND used_at IS NULL RETURNING session_id
), next AS (
    INSERT INTO refresh_tokens (digest, session_id) SELECT :next, session_id FROM used
)
UPDATE user_sessions SET used_at = now(), expires_at = now() + CAST(:life AS interval)
WHERE id IN (SELECT session_id FROM used)
RETURNING id
""")

_REPEATED = text("""
SELECT EXISTS (
    SELECT FROM refresh_tokens o JOIN refresh_tokens n ON n.session_id = o.session_id
    WHERE o.digest = :digest AND o.used_at > now() - CAST(:grace AS interval)
      AND n.digest = :next AND n.used_at IS NULL
)
""")

_REVOKE = text("UPDATE user_sessions SET revoked_at = now() WHERE id = :id AND revoked_at IS NULL")

_REVOKE_BY_TOKEN = text("""
UPDATE user_sessions SET revoked_at = now()
WHERE id = (SELECT session_id FROM refresh_tokens WHERE digest = :digest) AND revoked_at IS NULL
""")

_REVOKE_ALL = text("""
UPDATE user_sessions SET revoked_at = now()
WHERE user_id = :user_id AND revoked_at IS NULL AND id IS DISTINCT FROM CAST(:but AS uuid)
""")

_FORGET = text("""
WITH sessions AS (
    DELETE FROM user_sessions WHERE id IN (
        SELECT id FROM user_sessions WHERE expires_at < now() ORDER BY expires_at LIMIT :most
    ) RETURNING 1
), tokens AS (
    DELETE FROM refresh_tokens WHERE digest IN (
        SELECT digest FROM refresh_tokens WHERE used_at < now() - CAST(:life AS interval) ORDER BY used_at LIMIT :most
    ) RETURNING 1
)
SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM tokens)
""")


@dataclass(frozen=True, slots=True)
class Refreshing:
    """A session that somebody is about to go on with."""

    id: UUID
    user_id: UUID
    roles: list[str]


async def begin(session: AsyncSession, user_id: UUID, digest: str, *, proven: str | None = None) -> UUID | None:
    """Begin a session with the digest of its first refresh token, and return its id.

    None: the person is erased, or no longer has the password whose hash was `proven`.
    """
    values = {"id": new_id(), "user_id": user_id, "digest": digest, "hash": proven, "life": SESSION_LIFE}
    begun: UUID | None = (await session.execute(_BEGIN, values)).scalar_one_or_none()
    return begun


async def lock(session: AsyncSession, digest: str) -> Refreshing | None:
    """Lock the session that a refresh token belongs to; None when it is not known, or its session has ended."""
    row = (await session.execute(_LOCK, {"digest": digest})).one_or_none()
    return None if row is None else Refreshing(*row)


async def use(session: AsyncSession, digest: str, next_digest: str) -> bool:
    """Exchange the token that counts for the next one; false when it was exchanged before."""
    values = {"digest": digest, "next": next_digest, "life": SESSION_LIFE}
    return (await session.execute(_USE, values)).one_or_none() is not None


async def repeated(session: AsyncSession, digest: str, next_digest: str, grace: timedelta) -> bool:
    """Tell whether a token was exchanged for this next one within `grace`, and the next one was not used since."""
    values = {"digest": digest, "next": next_digest, "grace": grace}
    found: bool = (await session.execute(_REPEATED, values)).scalar_one()
    return found


async def revoke(session: AsyncSession, session_id: UUID) -> None:
    """End a session, with every token of it."""
    await session.execute(_REVOKE, {"id": session_id})


async def revoke_by_token(session: AsyncSession, digest: str) -> None:
    """End the session that a refresh token belongs to, if there is one."""
    await session.execute(_REVOKE_BY_TOKEN, {"digest": digest})


async def revoke_all(session: AsyncSession, user_id: UUID, *, but: UUID | None = None) -> None:
    """End every session of a person, perhaps except the one that asks for it."""
    await session.execute(_REVOKE_ALL, {"user_id": user_id, "but": but})


async def forget_ended(session: AsyncSession, most: int) -> int:
    """Delete sessions that have ended, and tokens that were used as long ago; return how many they were."""
    forgotten: int = (await session.execute(_FORGET, {"life": SESSION_LIFE, "most": most})).scalar_one()
    return forgotten
