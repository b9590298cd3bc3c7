"""An order of more than there is: placed, shipped as its goods come, or undone."""

from uuid import uuid4

import pytest
from temporalio.exceptions import ApplicationError

from contracts.orders import OrderStep, PlaceOrder
from contracts.shipments import BeginShipment, ShipmentStep
from db import stock
from domain.order_states import OrderStatus
from tests.support.steps import Steps, attempt, authorise, cancel, capture, insist, reverse
from tests.support.stock import allow, awaited, receive


async def placed(steps: Steps) -> PlaceOrder:
    """Place an order of two, one of which is there."""
    order = await steps.buyer(stock=1)
    await allow(steps.shop, steps.sku, 5)
    await attempt(steps.orders.open, order)
    await insist(steps.payments.authorise, authorise(order))
    await insist(steps.payments.capture, capture(order))
    await attempt(steps.orders.place, OrderStep(order.order_id))
    return order


async def ship(steps: Steps, order: PlaceOrder) -> int:
    """Ship all that is there and return how much that was."""
    step = ShipmentStep(order.order_id, uuid4())
    await attempt(steps.shipments.begin, BeginShipment(order.order_id, step.shipment_id, "operator:1"))
    await attempt(steps.shipments.send, step)
    held = "SELECT sum(quantity)::bigint FROM shipment_lines WHERE shipment_id = :id"
    return int(str((await steps.shop.run(held, id=step.shipment_id))[0][0]))


async def unshipped(steps: Steps) -> tuple[int | None, int]:
    """Read what was sold and lies there, and what was sold and does not."""
    async with steps.sessions() as session:
        found = await stock.find(session, steps.sku)
    assert found is not None
    return found.sold_unshipped, found.backordered


async def test_what_an_order_waits_for_is_shipped_when_it_has_come_and_not_before(steps: Steps) -> None:
    order = await placed(steps)
    assert await awaited(steps.shop, steps.sku) == [(order.order_id, 1, "committed")]
    assert await unshipped(steps) == (1, 1)
    assert await ship(steps, order) == 1
    assert await unshipped(steps) == (0, 1)
    with pytest.raises(ApplicationError) as refused:
        await ship(steps, order)
    assert refused.value.type == "everorder.shipment_too_large"
    assert (await steps.snapshot(order)).status is OrderStatus.FULFILLING

    await receive(steps.shop, steps.sku, 4)

    assert await awaited(steps.shop, steps.sku) == []
    assert await unshipped(steps) == (1, 0)
    assert await ship(steps, order) == 1
    assert await unshipped(steps) == (0, 0)
    assert (await steps.snapshot(order)).status is OrderStatus.SHIPPED
    assert await steps.stock(steps.sku) == (3, 0)


async def test_a_cancelled_order_waits_for_nothing_and_what_it_had_is_back(steps: Steps) -> None:
    order = await placed(steps)
    await attempt(steps.orders.begin_cancel, cancel(order))
    await receive(steps.shop, steps.sku, 1)
    assert await awaited(steps.shop, steps.sku) == [(order.order_id, 1, "committed")]
    await insist(steps.payments.reverse, reverse(order))
    await attempt(steps.orders.finish_cancel, OrderStep(order.order_id))

    assert await awaited(steps.shop, steps.sku) == [(order.order_id, 1, "released")]
    assert await steps.stock(steps.sku) == (2, 0)
    assert await steps.shop.run("SELECT backordered FROM stock_policies WHERE sku = :sku", sku=steps.sku) == [(0,)]
