"""An order whose history has grown long goes on in a new run, and nobody notices."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from temporalio.client import WorkflowExecutionStatus

from contracts.orders import Cancel, Decision, MarkDelivered, OrderOutcome, Pay, Resolve, Ship, order_workflow_id
from domain.order_states import OrderStatus
from tests.support.sandbox import SECRET_KEY, SandboxForTests
from tests.support.shop import Shop
from tests.support.temporal import plain_client, running_temporal
from tests.support.world import WAIT, World, open_world


@pytest.fixture
async def world(shop: Shop, sandbox: SandboxForTests) -> AsyncIterator[World]:
    """A world whose Temporal finds every history long."""
    async with (
        running_temporal("limit.historyCount.suggestContinueAsNew=12") as temporal,
        open_world(shop, await plain_client(temporal), sandbox.url, SECRET_KEY) as world,
    ):
        yield world


async def runs(world: World, order: str) -> list[WorkflowExecutionStatus | None]:
    """List how the runs of an order have ended, the newest first."""
    statuses = []
    run: str | None = (await world.temporal.get_workflow_handle(order).describe()).run_id
    while run:
        handle = world.temporal.get_workflow_handle(order, run_id=run)
        statuses.append((await handle.describe()).status)
        started = (await handle.fetch_history()).events[0].workflow_execution_started_event_attributes
        run = started.continued_execution_run_id
    return statuses


async def test_order_lives_on_through_many_runs(world: World) -> None:
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 2)), card="pm_card_chargeDeclined")

    async with world.working():
        declined = await world.place(order)
        paid = await world.client.pay(order.order_id, Pay("pm_card_visa"), wait=WAIT)
        await world.told(order.order_id)
        await world.client.ship(order.order_id, Ship(), wait=WAIT)
        await world.client.mark_delivered(order.order_id, MarkDelivered(), wait=WAIT)
        cancelled = await asyncio.gather(*(world.client.cancel(order.order_id, Cancel(), wait=WAIT) for _ in range(5)))
        resolved = await world.client.resolve(order, Resolve(Decision.RETRY), wait=WAIT)
        statuses = await runs(world, order_workflow_id(order.order_id))

    outcomes = [declined, paid, *cancelled, resolved]
    assert [(one.status, one.needs_operator) for one in outcomes if isinstance(one, OrderOutcome)] == [
        (OrderStatus.PAYMENT_REQUIRED, False),
        (OrderStatus.PLACED, False),
        *[(OrderStatus.DELIVERED, True)] * 5,
        (OrderStatus.DELIVERED, False),
    ]
    assert len(statuses) > 1
    assert set(statuses[1:]) == {WorkflowExecutionStatus.CONTINUED_AS_NEW}
    assert await world.charged(order.order_id) == [2000]
    assert await world.stock(sku) == (8, 0)
    assert len(world.mail.sent) == 3  # declined, confirmed, shipped


async def test_order_that_is_cancelled_while_it_begins_anew_is_refunded(world: World) -> None:
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 2)))

    async with world.working():
        await world.place(order)
        await world.told(order.order_id)
        await world.temporal.get_workflow_handle(order_workflow_id(order.order_id)).cancel()
        outcome = await world.ended(order.order_id)

    assert outcome.status is OrderStatus.CANCELLED
    assert await world.charged(order.order_id) == []
    assert await world.stock(sku) == (10, 0)
