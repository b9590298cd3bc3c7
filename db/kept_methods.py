"""Payments whose method is kept at the provider, and those of them that no order needs any more."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.order_states import CANCELLABLE, OrderStatus

_CHARGED = sorted(CANCELLABLE | {OrderStatus.CANCELLING})
"""Orders in these states may still be charged without their buyer. From shipment on, and once they ended, none is."""

_OUTLIVED = text("""
SELECT p.key, p.provider_reference FROM payment_operations p JOIN orders o ON o.id = p.order_id
WHERE p.keeps_method AND p.provider = :provider AND p.key > :after AND o.status <> ALL(CAST(:charged AS text[]))
ORDER BY p.key LIMIT :most
""")

_FORGOTTEN = text("UPDATE payment_operations SET keeps_method = false WHERE key = :key")


async def outlived(session: AsyncSession, provider: str, *, after: str, most: int) -> Sequence[tuple[str, str | None]]:
    """List payments whose kept method is of no use any more, by key and provider's reference, from behind a key on."""
    values = {"provider": provider, "after": after, "charged": _CHARGED, "most": most}
    return [(row.key, row.provider_reference) for row in await session.execute(_OUTLIVED, values)]


async def forgotten(session: AsyncSession, key: str) -> None:
    """Note that the provider keeps nothing of a payment's buyer any more."""
    await session.execute(_FORGOTTEN, {"key": key})
