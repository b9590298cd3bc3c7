"""Whose an order is, where operators look for it."""

import asyncio
from uuid import UUID, uuid4

from contracts.orders import OrderOutcome, order_workflow_id
from contracts.search_attributes import CUSTOMER_ID
from domain.order_states import OrderStatus
from tests.support.world import World


async def customer_of(world: World, order_id: UUID) -> str | None:
    described = await world.temporal.get_workflow_handle(order_workflow_id(order_id)).describe()
    return described.typed_search_attributes.get(CUSTOMER_ID)


async def test_order_of_an_account_is_found_by_its_customer(world: World) -> None:
    customer, cart = uuid4(), await world.cart((await world.goods(), 1))
    await world.shop.run("UPDATE carts SET customer_id = :customer WHERE id = :id", customer=customer, id=cart)
    async with world.working():
        placed = await world.place(world.order_of(cart))
    assert isinstance(placed, OrderOutcome)
    assert placed.status is OrderStatus.PLACED
    assert await customer_of(world, placed.order_id) == str(customer)


async def test_order_whose_cart_was_claimed_since_is_found_by_its_customer(world: World) -> None:
    customer, other = uuid4(), uuid4()
    order = world.order_of(await world.cart((await world.goods(), 1)))
    async with world.working():
        await world.place(order)
        assert await customer_of(world, order.order_id) is None
        await world.client.claimed(order.order_id, customer)
        while await customer_of(world, order.order_id) is None:  # noqa: ASYNC110 - Temporal tells no other way
            await asyncio.sleep(0.05)
        await world.client.claimed(order.order_id, other)
        assert await customer_of(world, order.order_id) == str(customer)


async def test_order_that_has_no_workflow_need_not_know(world: World) -> None:
    await world.client.claimed(uuid4(), uuid4())
