"""What people want to be told."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.messages import WANTED, Channel, Topic

_SAID = text("SELECT topic, channel, wanted FROM notification_preferences WHERE user_id = :user_id")

# What has not changed keeps the moment at which it was said: that is the proof of a consent.
_SAY = text("""
INSERT INTO notification_preferences AS p (user_id, topic, channel, wanted)
SELECT :user_id, topic, channel, wanted
FROM unnest(CAST(:topics AS text[]), CAST(:channels AS text[]), CAST(:wanted AS boolean[]))
  AS said (topic, channel, wanted)
ON CONFLICT (user_id, topic, channel) DO UPDATE SET wanted = excluded.wanted, since = now()
WHERE p.wanted <> excluded.wanted
""")


async def of_user(session: AsyncSession, user_id: UUID) -> Mapping[tuple[Topic, Channel], bool]:
    """Tell what a person wants: what they have said, and what holds for those who have not."""
    rows = await session.execute(_SAID, {"user_id": user_id})
    return {**WANTED, **{(Topic(row.topic), Channel(row.channel)): row.wanted for row in rows}}


async def say(session: AsyncSession, user_id: UUID, wanted: Mapping[tuple[Topic, Channel], bool]) -> None:
    """Keep what a person wants. Their account is locked."""
    values = {
        "user_id": user_id,
        "topics": [topic for topic, _ in wanted],
        "channels": [channel for _, channel in wanted],
        "wanted": list(wanted.values()),
    }
    await session.execute(_SAY, values)
