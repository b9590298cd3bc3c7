"""Bringing the lists of a moved category after it, where a request had no time for all of its products.

A trigger (migration 0026) notes such a category in the transaction that moves it. The lists of one product change
together: at any moment it is listed either where the category was or where it is.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.categories import SOON

_RELIST = text("SELECT relist_moved(:most)")


async def relist(session: AsyncSession, *, most: int) -> int | None:
    """List the next products below a moved category where it is now; return how many, or None: none are left.

    The transaction keeps the tree and these products from changing, and gives up after three seconds where an import
    has one of them: nobody who edits the others waits for that. It can be repeated at any time, by anybody.
    """
    await session.execute(SOON)
    relisted: int | None = await session.scalar(_RELIST, {"most": most})
    return relisted
