"""Messages about an account: owed in the transaction that causes them, delivered by a workflow of their own.

A route queues a message in its own transaction and posts it, which starts its workflow after the commit:

    outbox.post(await messages.queue_message(session, user_id, AccountMessage.PASSWORD_CHANGED))

`outbox` is `api.outbox.OutboxDep`. When Temporal is away, or the process dies in between, the sweep finds the row.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.messages import AccountMessage
from models.columns import new_id

MOST_AN_HOUR = 5
"""So many messages of one kind an account gets within an hour: nobody can fill somebody else's mailbox."""

LATEST = timedelta(days=3)
"""A message that could not be delivered by then is owed no more. Its workflow gives up at the same time."""

_FIRST_LOOK = timedelta(seconds=30)
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
RETURNING id
""")


async def queue_message(
    session: AsyncSession, user_id: UUID, template: AccountMessage, *, token_id: UUID | None = None
) -> UUID | None:
    """Owe an account a message, and return its id; None when it has had too many of this kind within the hour.

    `token_id` is the row of the one-time token that the mail has to carry: the token itself is computed when the mail
    is rendered (`domain.links`), and is in no table and no history.
    """
    await session.execute(_NUMBER, {"user_id": str(user_id)})
    id_ = new_id()
    values = {
        "id": id_,
        "user_id": user_id,
        "token_id": token_id,
        "template": template,
        "message_id": f"<{id_}@everorder>",
        "first_look": _FIRST_LOOK,
        "most": MOST_AN_HOUR,
    }
    queued: UUID | None = (await session.execute(_QUEUE, values)).scalar_one_or_none()
    return queued
