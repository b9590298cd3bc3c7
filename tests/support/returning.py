"""Buyers who bring goods back."""

from uuid import UUID, uuid4

from contracts.orders import PlaceOrder
from db import returns
from db.returns import ReturnRequest
from tests.support.world import World


async def ask(world: World, order: PlaceOrder, *parts: tuple[UUID, int]) -> UUID:
    """Ask to bring lines of an order back, or all that was sent."""
    return_id = uuid4()
    async with world.sessions.begin() as session:
        await returns.request(session, ReturnRequest(return_id, order.order_id, "guest", parts))
    return return_id
