"""The id that a database was given when it was made."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_ID = text("SELECT id FROM installation")


async def installation_id(session: AsyncSession) -> UUID:
    """Return the id; a copy of the database has the same."""
    found: UUID = (await session.execute(_ID)).scalar_one()
    return found
