"""The keys of requests: claimed by one try at a time, and answered in the transaction of what was done.

A claim is one statement of its own. What ends it (`answer`, `leave`, `release`) names the claim in its condition: a try
whose lock ran out and was taken over changes nothing, and is told so.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from models.columns import new_id

KEPT = timedelta(hours=24)

_CLAIM = text("""
INSERT INTO idempotency_keys AS k (owner, key, id, route, fingerprint, claim, locked_until, expires_at)
VALUES (:owner, :key, :id, :route, :fingerprint, :claim, now() + CAST(:lock AS interval),
        now() + CAST(:kept AS interval))
ON CONFLICT (owner, key) DO UPDATE SET
    claim = excluded.claim, locked_until = excluded.locked_until,
    route = excluded.route, fingerprint = excluded.fingerprint, status = NULL, answer = NULL,
    id = CASE WHEN k.expires_at <= now() THEN excluded.id ELSE k.id END,
    created_at = CASE WHEN k.expires_at <= now() THEN now() ELSE k.created_at END,
    expires_at = CASE WHEN k.expires_at <= now() THEN excluded.expires_at ELSE k.expires_at END
WHERE k.expires_at <= now()
   OR (k.status IS NULL AND k.locked_until <= now() AND k.fingerprint = excluded.fingerprint)
RETURNING k.id, k.claim
""")

_FIND = text("""
SELECT fingerprint, status, answer FROM idempotency_keys WHERE owner = :owner AND key = :key AND expires_at > now()
""")

_MINE = "WHERE owner = :owner AND key = :key AND claim = :claim AND status IS NULL RETURNING id"

_ANSWER = text(f"UPDATE idempotency_keys SET status = :status, answer = :answer {_MINE}")  # noqa: S608 - a constant

_LEAVE = text(f"UPDATE idempotency_keys SET locked_until = now() {_MINE}")  # noqa: S608 - a constant

_RELEASE = text(f"DELETE FROM idempotency_keys {_MINE}")  # noqa: S608 - a constant

_FORGET = text("""
WITH forgotten AS (DELETE FROM idempotency_keys WHERE owner = :owner RETURNING 1) SELECT count(*) FROM forgotten
""")

_EXPIRE = text("""
WITH expired AS (
    SELECT owner, key FROM idempotency_keys WHERE expires_at <= now()
    ORDER BY expires_at LIMIT :most FOR UPDATE SKIP LOCKED
), deleted AS (
    DELETE FROM idempotency_keys k USING expired e WHERE k.owner = e.owner AND k.key = e.key RETURNING 1
)
SELECT count(*) FROM deleted
""")


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """What a caller asks for under a key. `fingerprint` tells it from whatever else is asked for under the same key."""

    owner: str
    key: str
    route: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to answer a request. `id` names the request, the same at each of its tries; `token` this try."""

    request: KeyedRequest
    id: UUID
    token: UUID


@dataclass(frozen=True, slots=True)
class Answered:
    """The request was answered; `answer` is sealed."""

    status: int
    answer: bytes


@dataclass(frozen=True, slots=True)
class Reused:
    """The key belongs to another request."""


@dataclass(frozen=True, slots=True)
class Running:
    """Another try is under way, or was when its process died."""


async def claim(
    session: AsyncSession, request: KeyedRequest, *, lock: timedelta
) -> Claim | Answered | Reused | Running:
    """Claim a request for one try, or tell what became of it. The session commits each statement by itself.

    A claim that ran out is taken over, by the same request only.
    """
    values = {
        "owner": request.owner,
        "key": request.key,
        "id": new_id(),
        "route": request.route,
        "fingerprint": request.fingerprint,
        "claim": new_id(),
        "lock": lock,
        "kept": KEPT,
    }
    row = (await session.execute(_CLAIM, values)).one_or_none()
    if row is not None:
        return Claim(request, row.id, row.claim)
    found = (await session.execute(_FIND, {"owner": request.owner, "key": request.key})).one_or_none()
    return _standing(found, request)


def _standing(found: Any, request: KeyedRequest) -> Answered | Reused | Running:
    if found is None:
        return Running()  # it was released between the two statements: whoever asks again claims it
    fingerprint, status, sealed = found
    if fingerprint != request.fingerprint:
        return Reused()
    if status is None or sealed is None:
        return Running()
    return Answered(status, bytes(sealed))


async def answer(session: AsyncSession, claim: Claim, status: int, sealed: bytes) -> bool:
    """Keep the answer of a request. False: the claim was taken over, and what was done for it must not be committed."""
    return await _changed(session, _ANSWER, claim, status=status, answer=sealed)


async def leave(session: AsyncSession, claim: Claim) -> bool:
    """Let the same request be tried again at once; another one under this key stays refused. False: taken over."""
    return await _changed(session, _LEAVE, claim)


async def release(session: AsyncSession, claim: Claim) -> bool:
    """Forget a request that did nothing, so that its key may be used for another. False: taken over."""
    return await _changed(session, _RELEASE, claim)


async def forget(session: AsyncSession, owner: str) -> int:
    """Forget every request of a caller; return how many there were."""
    return int((await session.execute(_FORGET, {"owner": owner})).scalar_one())


async def expire(session: AsyncSession, *, most: int) -> int:
    """Delete what is kept no longer, at most so many; return how many there were."""
    return int((await session.execute(_EXPIRE, {"most": most})).scalar_one())


async def _changed(session: AsyncSession, statement: TextClause, claim: Claim, **values: object) -> bool:
    named = {"owner": claim.request.owner, "key": claim.request.key, "claim": claim.token, **values}
    return (await session.execute(statement, named)).first() is not None
