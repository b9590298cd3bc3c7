"""Closing an account, so that its erasure can begin: nobody gets in any more, and a last message is owed."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db import erasures, links, messages, people, sessions
from db.erasures import Who
from domain.messages import AccountMessage

_CLOSE = text("""
WITH closed AS (UPDATE users SET password_hash = NULL, updated_at = now() WHERE id = :user_id RETURNING id)
INSERT INTO erasures (user_id, sweep_at) SELECT id, now() + interval '30 seconds' FROM closed
""")


async def close_account(session: AsyncSession, user_id: UUID) -> None:
    """Close an account: its sessions, links and unsent messages end, and its erasure is written down.

    Raises:
        UnauthenticatedError: it is closed or erased already.
        OrdersOpenError: an order is under way. Nothing was changed.
    """
    await people.lock(session, user_id)
    erasures.require_settled(await erasures.purchases(session, Who(user_id=user_id)))
    await session.execute(_CLOSE, {"user_id": user_id})
    await sessions.revoke_all(session, user_id)
    await links.withdraw(session, user_id)
    await messages.drop(session, user_id)
    await messages.queue_message(session, user_id, AccountMessage.ACCOUNT_ERASED)
