"""Messages without an order, nearly all of them about an account: delivered by a workflow of their own each.

A route queues a message in its own transaction and posts it, which starts its workflow after the commit:

    outbox.post(await messages.queue_message(session, user_id, AccountMessage.PASSWORD_CHANGED))

`outbox` is `api.deps.OutboxDep`. When Temporal is away, or the process dies in between, the sweep finds the row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.notifications import CLAIM
from domain.messages import AccountMessage
from models.columns import new_id

MOST_AN_HOUR = 5
"""So many messages of one kind an account gets within an hour: nobody can fill somebody else's mailbox."""

LATEST = timedelta(days=3)
"""A message that could not be delivered by then is owed no more. Its workflow gives up at the same time."""

FIRST_LOOK = timedelta(seconds=30)
"""So long after a message was owed it is looked for the first time whether somebody delivers it."""

_NEXT_LOOK = timedelta(minutes=15)

# Two messages for one account are numbered one after the other, however many transactions queue them.
_NUMBER = text("SELECT pg_advisory_xact_lock(hashtextextended('notifications of ' || CAST(:user_id AS text), 0))")

_QUEUE = text("""
INSERT INTO notifications (id, user_id, token_id, template, channel, n, state, message_id, attempts, sweep_at)
SELECT CAST(:id AS uuid), CAST(:user_id AS uuid), CAST(:token_id AS uuid), CAST(:template AS text), 'email',
       coalesce(max(n), 0) + 1, 'pending', :message_id, 0, now() + CAST(:first_look AS interval)
FROM notifications
WHERE user_id = CAST(:user_id AS uuid) AND template = CAST(:template AS text) AND channel = 'email'
HAVING count(*) FILTER (WHERE created_at > now() - interval '1 hour') < :most
   AND (CAST(:template AS text) = 'account_erased' OR NOT EXISTS (SELECT FROM erasures e WHERE e.user_id = :user_id))
RETURNING id
""")

# A link that was used or has run out is worth no mail any more.
_CLAIM = text("""
UPDATE notifications n SET state = 'sending', attempts = n.attempts + 1,
    claimed_until = now() + CAST(:claim AS interval)
FROM users u
WHERE n.id = :id AND u.id = n.user_id
  AND (n.state = 'pending' OR (n.state = 'sending' AND n.claimed_until < now()))
RETURNING n.id, n.attempts, n.template, n.message_id, n.token_id, u.email, u.name,
    n.token_id IS NULL OR EXISTS (
        SELECT FROM one_time_tokens t WHERE t.id = n.token_id AND t.expires_at > now()
    )
""")

_DROP = text("""
UPDATE notifications SET state = 'dropped', claimed_until = NULL
WHERE user_id = :user_id AND state IN ('pending', 'sending')
""")

_FAREWELL = text("""
SELECT id FROM notifications
WHERE user_id = :user_id AND template = 'account_erased' AND state IN ('pending', 'sending')
""")

_TOO_LATE = text("""
UPDATE notifications SET state = 'dropped', code = 'too_late', claimed_until = NULL
WHERE order_id IS NULL AND state IN ('pending', 'sending') AND created_at < now() - CAST(:latest AS interval)
""")

_DUE = text("""
SELECT id FROM notifications
WHERE order_id IS NULL AND state IN ('pending', 'sending') AND sweep_at <= now()
ORDER BY sweep_at LIMIT :most
""")

_LOOKED_AT = text("""
UPDATE notifications SET sweep_at = now() + CAST(:next_look AS interval) WHERE id = ANY(CAST(:ids AS uuid[]))
""")


@dataclass(frozen=True, slots=True)
class ClaimedAccountMessage:
    """A message that the caller alone may send now, with whom it goes to."""

    id: UUID
    attempts: int
    """Which claim this is: the first, the second, and so on."""
    template: str
    message_id: str
    token_id: UUID | None
    email: str | None
    name: str | None
    useful: bool
    """False: the link that it carries opens nothing any more."""


async def queue_message(
    session: AsyncSession, user_id: UUID, template: AccountMessage, *, token_id: UUID | None = None
) -> UUID | None:
    """Owe an account a message, and return its id.

    None: it has had too many of this kind within the hour, or is about to be erased.

    `token_id` is the row of the one-time token that the mail has to carry: the token itself is computed when the mail
    is rendered (`domain.one_time_tokens`), and is in no table and no history.
    """
    await session.execute(_NUMBER, {"user_id": str(user_id)})
    id_ = new_id()
    values = {
        "id": id_,
        "user_id": user_id,
        "token_id": token_id,
        "template": template,
        "message_id": f"<{id_}@everorder>",
        "first_look": FIRST_LOOK,
        "most": MOST_AN_HOUR,
    }
    queued: UUID | None = (await session.execute(_QUEUE, values)).scalar_one_or_none()
    return queued


async def claim(session: AsyncSession, notification_id: UUID) -> ClaimedAccountMessage | None:
    """Claim a message for sending; None when it was sent, dropped, or is being sent."""
    row = (await session.execute(_CLAIM, {"id": notification_id, "claim": CLAIM})).one_or_none()
    return None if row is None else ClaimedAccountMessage(*row)


async def drop(session: AsyncSession, user_id: UUID) -> None:
    """Forget the messages that an account was not sent yet. One that is on its way may still arrive."""
    await session.execute(_DROP, {"user_id": user_id})


async def farewell(session: AsyncSession, user_id: UUID) -> UUID | None:
    """Name the message that tells of an account's erasure; None when it was told, or can not be."""
    found: UUID | None = (await session.execute(_FAREWELL, {"user_id": user_id})).scalars().first()
    return found


async def drop_late(session: AsyncSession) -> None:
    """Forget the messages that could not be delivered within days."""
    await session.execute(_TOO_LATE, {"latest": LATEST})


async def due(session: AsyncSession, most: int) -> Sequence[UUID]:
    """List messages of which it is time to look whether somebody delivers them."""
    return (await session.execute(_DUE, {"most": most})).scalars().all()


async def looked_at(session: AsyncSession, notification_ids: Sequence[UUID]) -> None:
    """Note that these messages are being delivered: it is time to look again in a while."""
    await session.execute(_LOOKED_AT, {"ids": list(notification_ids), "next_look": _NEXT_LOOK})
