"""Payments that no operation of ours stands for: written down before they are given back."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.money import Money
from models.reconciliation import ReturnState

_START = text("""
INSERT INTO returned_payments AS r (provider, reference, order_id, amount, currency, state)
SELECT CAST(:provider AS text), CAST(:reference AS text), CAST(:order_id AS uuid), :amount, :currency, 'started'
WHERE NOT EXISTS (
    SELECT FROM payment_operations o
    WHERE o.provider = CAST(:provider AS text) AND o.provider_reference = CAST(:reference AS text)
)
ON CONFLICT (provider, reference) DO UPDATE SET state = 'started', code = NULL, updated_at = now()
RETURNING reference
""")

_FINISH = text("""
UPDATE returned_payments SET state = :state, code = :code, updated_at = now()
WHERE provider = :provider AND reference = :reference
""")


async def start(session: AsyncSession, provider: str, reference: str, order_id: UUID, amount: Money) -> bool:
    """Write down that a payment is to be given back. False: an operation has come to stand for it meanwhile."""
    values = {
        "provider": provider,
        "reference": reference,
        "order_id": order_id,
        "amount": amount.amount,
        "currency": amount.currency,
    }
    return (await session.execute(_START, values)).first() is not None


async def finish(
    session: AsyncSession, provider: str, reference: str, state: ReturnState, code: str | None = None
) -> None:
    """Note how it went."""
    values = {"provider": provider, "reference": reference, "state": state, "code": code}
    await session.execute(_FINISH, values)
