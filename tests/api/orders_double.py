"""A Temporal that says what a test tells it to say."""

from clients.orders import OrderClient


class OrdersDouble(OrderClient):
    """Stands where `OrderClient` stands, and reaches nothing."""

    def __init__(self) -> None:
        self.is_reachable = True

    async def reachable(self) -> bool:
        return self.is_reachable
