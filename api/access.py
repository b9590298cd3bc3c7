"""Carts and orders as their own callers may see them. Those of others are not there."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.security import Caller
from db import carts, orders
from db.carts import CartRow
from db.orders import OrderView
from domain.errors import NotFoundError


async def own_cart(session: AsyncSession, caller: Caller, cart_id: UUID) -> CartRow:
    """Return a cart that the caller opens.

    Raises:
        NotFoundError: there is none, or it is somebody else's.
    """
    return _opened(caller, await carts.find(session, cart_id))


async def own_cart_locked(session: AsyncSession, caller: Caller, cart_id: UUID) -> CartRow:
    """Lock a cart that the caller opens, and return it.

    Raises:
        NotFoundError: there is none, or it is somebody else's.
    """
    return _opened(caller, await carts.lock(session, cart_id))


async def own_order(session: AsyncSession, caller: Caller, order_id: UUID) -> OrderView | None:
    """Return an order that the caller opens; None when it has no row.

    Raises:
        NotFoundError: it is somebody else's.
    """
    order = await orders.find(session, order_id)
    if order is not None and not caller.opens(order.token_digest, order.customer_id):
        raise NotFoundError("no such order")
    return order


def _opened(caller: Caller, cart: CartRow | None) -> CartRow:
    if cart is None or not caller.opens(cart.token_digest, cart.customer_id):
        raise NotFoundError("no such cart")
    return cart
