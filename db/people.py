"""People as what belongs to them hangs on: locked while it changes, and gone once they asked to be erased."""

from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import UnauthenticatedError

_OWN_PURCHASES = """
WITH person AS (
    SELECT lower(coalesce(
        CAST(:email AS text), (SELECT email FROM users WHERE id = :user_id AND email_verified_at IS NOT NULL)
    )) AS email
), own_orders AS (
    SELECT id, cart_id FROM orders WHERE customer_id = CAST(:user_id AS uuid)
    UNION
    SELECT id, cart_id FROM orders WHERE customer_id IS NULL AND lower(email) = (SELECT email FROM person)
), own_carts AS (
    SELECT id FROM carts WHERE customer_id = CAST(:user_id AS uuid)
    UNION
    SELECT id FROM carts WHERE customer_id IS NULL AND lower(email) = (SELECT email FROM person)
    UNION
    SELECT cart_id FROM own_orders
)
"""

_LOCK = text("SELECT 1 FROM users WHERE id = :user_id AND erased_at IS NULL FOR NO KEY UPDATE")

# A statement of its own: the one that waited for the lock still sees what was there before it waited.
_CLOSED = text("SELECT EXISTS (SELECT FROM erasures WHERE user_id = :user_id)")


def of_person(query: str) -> TextClause:
    """Make a query about `own_orders` and `own_carts`: what a person has bought, or was about to.

    They did it with their account (`:user_id`), or as a guest with an e-mail that they have shown to be theirs: it is
    the account's, or they have shown it to an operator (`:email`).
    """
    return text(_OWN_PURCHASES + query)


async def lock(session: AsyncSession, user_id: UUID) -> None:
    """Lock an account until the transaction ends, so that what belongs to it is changed by one at a time.

    Raises:
        UnauthenticatedError: it is erased, or about to be: an access token outlives its account by minutes.
    """
    there = (await session.execute(_LOCK, {"user_id": user_id})).one_or_none() is not None
    if not there or (await session.execute(_CLOSED, {"user_id": user_id})).scalar_one():
        raise UnauthenticatedError("this account is closed")
