"""Telling the workflows of orders that their buyer has an account now."""

from uuid import UUID

from clients.orders import OrderClient


class OrderClaims:
    """Tells orders of one account. What is not told, an order learns from its row at its next step."""

    def __init__(self, orders: OrderClient, customer_id: UUID) -> None:
        self._orders = orders
        self._customer_id = customer_id

    async def begin(self, order_id: UUID, /) -> None:
        """Tell one.

        Raises:
            TemporarilyUnavailableError: Temporal is away.
        """
        await self._orders.claimed(order_id, self._customer_id)
