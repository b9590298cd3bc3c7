"""What happens to an order's row behind its workflow: another run goes on with it, or a restore loses it."""

from contracts.orders import CancelStep, PlaceOrder
from db import checkout
from tests.support.world import World


async def begin_to_cancel(world: World, order: PlaceOrder) -> None:
    """Take the first step of cancelling an order, and no other."""
    async with world.sessions.begin() as session:
        step = CancelStep(order.order_id, order.cart_id, order.checkout_attempt, "buyer", "cancelled")
        await checkout.begin_cancel(session, step)


async def cancel_to_its_end(world: World, order: PlaceOrder) -> None:
    """Cancel an order from which no money was taken."""
    await begin_to_cancel(world, order)
    async with world.sessions.begin() as session:
        await checkout.finish_cancel(session, order.order_id)


async def lose_row(world: World, order: PlaceOrder) -> None:
    """Lose the row of an order that was never charged, and all that refers to it."""
    await world.shop.run(f"""
        DO $$ BEGIN
            SET LOCAL session_replication_role = replica;
            DELETE FROM payment_operations WHERE order_id = '{order.order_id}';
            DELETE FROM orders WHERE id = '{order.order_id}';
        END $$
    """)
