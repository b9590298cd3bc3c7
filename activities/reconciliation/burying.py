"""Writing an order whose row was lost as cancelled, so that its cart goes on with another one."""

from uuid import UUID

from activities.reconciliation.adopting import ACTOR
from contracts.orders import CancelStep
from db import carts, checkout
from db.engine import Sessions
from domain.order_ids import order_id as order_of
from domain.reconciliation import FindingKind


async def bury(sessions: Sessions, order_id: UUID, cart_id: UUID | None) -> bool:
    """Write a lost order as cancelled, if its cart is there and stands at the order's own attempt.

    Otherwise the next checkout of the cart would be the same order again, and find its old payment.
    """
    if cart_id is None:
        return False
    async with sessions.begin() as session:
        cart = await carts.find(session, cart_id)
        if cart is None or order_of(cart.id, cart.checkout_attempt) != order_id:
            return False
        step = CancelStep(order_id, cart.id, cart.checkout_attempt, ACTOR, FindingKind.ROW_LOST)
        await checkout.begin_cancel(session, step)
    return True
