"""Which products are sold out, noted at their listings, so that lists of what is in stock can pass over them.

It is a hint: a list looks at the stock of whatever is not said to be sold out. What comes back into stock is listed at
once, by a trigger on its level (migration 0008), but for a listing that somebody is just writing, which the trigger
does not see: that it is not sold out is noted here. Holds and sales write nothing here.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from db.product_filters import STOCKED
from models.listings import EVERYTHING

_NOTE = text(f"""
WITH in_stock AS (
    {" UNION ".join(f"SELECT v.product_id FROM {place}" for place in STOCKED)}
), changed AS MATERIALIZED (
    SELECT l.product_id, NOT l.sold_out AS sold_out
    FROM listings l LEFT JOIN in_stock s ON s.product_id = l.product_id
    WHERE l.category_id = :everything AND l.sold_out <> (s.product_id IS NULL)
    UNION ALL
    SELECT DISTINCT l.product_id, false FROM listings l
    WHERE l.sold_out AND l.product_id NOT IN (
        SELECT product_id FROM listings WHERE category_id = :everything AND sold_out
    )
    ORDER BY product_id
    LIMIT :most
), listed AS (
    UPDATE listings l SET sold_out = c.sold_out FROM changed c WHERE l.product_id = c.product_id
), priced AS (
    UPDATE listed_prices l SET sold_out = c.sold_out FROM changed c WHERE l.product_id = c.product_id
)
SELECT count(*) FROM changed
""")  # noqa: S608 - our own words


async def note(session: AsyncSession, *, most: int) -> int:
    """Note of up to `most` products that they are sold out, or are not any more; return of how many."""
    noted = await session.scalar(_NOTE, {"everything": EVERYTHING, "most": most})
    return int(noted or 0)
