"""People as what belongs to them hangs on: locked while it changes, and gone once they asked to be erased."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import UnauthenticatedError

_LOCK = text("""
SELECT NOT EXISTS (SELECT FROM erasures e WHERE e.user_id = u.id) FROM users u
WHERE u.id = :user_id AND u.erased_at IS NULL FOR NO KEY UPDATE OF u
""")


async def lock(session: AsyncSession, user_id: UUID) -> None:
    """Lock an account until the transaction ends, so that what belongs to it is changed by one at a time.

    Raises:
        UnauthenticatedError: it is erased, or about to be: an access token outlives its account by minutes.
    """
    if not (await session.execute(_LOCK, {"user_id": user_id})).scalar_one_or_none():
        raise UnauthenticatedError("this account is closed")
