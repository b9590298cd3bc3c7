"""Every kind of finding that reconciliation knows, made for real, and what one round says and does about it."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from contracts.orders import Cancel, PlaceOrder, Refund, Ship
from domain.order_states import OrderStatus
from domain.reconciliation import FindingKind
from tests.e2e.test_reconciliation import DECLINED, placed, ready
from tests.support.lone_world import LoneWorld, lone_world
from tests.support.overtaking import cancel_to_its_end, lose_row
from tests.support.postgres import PostgresForTests
from tests.support.reconciling import reconcile
from tests.support.temporal import plain_client, running_temporal
from tests.support.world import WAIT, World

HEALED, PARKED = "healed", "parked"
PATIENCE = 40


@pytest.fixture
async def lone(postgres: PostgresForTests) -> AsyncIterator[LoneWorld]:
    async with running_temporal() as environment, lone_world(postgres, await plain_client(environment)) as lone:
        lone.world.grace = timedelta(0)
        yield lone


async def row_is(world: World, order: PlaceOrder, status: str) -> None:
    """Put an order's row back, as a copy of the database would that is older, or that somebody has edited."""
    await world.shop.run("UPDATE orders SET status = :status WHERE id = :id", id=order.order_id, status=status)


# What each kind is made of: an order that one round has something to say about --------------------------------------


async def loses_its_workflow(lone: LoneWorld) -> UUID:
    order = await placed(lone.world)
    await lone.terminate(order.order_id)
    return order.order_id


async def has_an_older_row(lone: LoneWorld) -> UUID:
    order = await placed(lone.world)
    await row_is(lone.world, order, "payment_required")
    return order.order_id


async def has_a_newer_row(lone: LoneWorld) -> UUID:
    order = await ready(lone.world, card=DECLINED)
    await lone.world.place(order)
    await cancel_to_its_end(lone.world, order)
    return order.order_id


async def has_an_older_row_after_its_end(lone: LoneWorld) -> UUID:
    order = await placed(lone.world)
    await lone.world.client.cancel(order.order_id, Cancel(), wait=WAIT)
    await lone.world.ended(order.order_id)
    await row_is(lone.world, order, "placed")
    return order.order_id


async def has_an_older_row_after_its_shipment(lone: LoneWorld) -> UUID:
    order = await placed(lone.world)
    await lone.world.client.ship(order.order_id, Ship(), wait=WAIT)
    await row_is(lone.world, order, "placed")
    return order.order_id


async def has_no_row(lone: LoneWorld) -> UUID:
    order = await ready(lone.world, card=DECLINED)
    await lone.world.place(order)
    await lose_row(lone.world, order)
    return order.order_id


async def has_a_payment_that_was_lost(lone: LoneWorld) -> UUID:
    order = await ready(lone.world, card=DECLINED)
    await lone.world.place(order)
    await lone.taken(order.order_id, key=f"{order.order_id}:authorise:2")
    return order.order_id


async def is_not_there_and_paid(lone: LoneWorld) -> UUID:
    order_id = uuid4()
    await lone.taken(order_id)
    return order_id


async def is_over_and_has_money(lone: LoneWorld) -> UUID:
    order = await placed(lone.world)
    await lone.terminate(order.order_id)
    await row_is(lone.world, order, "cancelled")
    return order.order_id


async def can_not_be_given_back(lone: LoneWorld) -> UUID:
    order_id = uuid4()
    await lone.taken(order_id)
    await lone.sandbox.misbehave("refused", operation="refund", order_id=str(order_id), times=1_000)
    return order_id


async def was_refunded_by_hand(lone: LoneWorld) -> UUID:
    """Refund behind the backend's back, once under a key that somebody has made up."""
    order = await placed(lone.world)
    form = {"payment_intent": await lone.world.reference(order.order_id), "amount": "500"}
    for key in ({}, {"metadata[key]": f"{order.order_id}:refund:{'9' * 40}"}):
        assert (await lone.sandbox.call("POST", "/v1/refunds", form | key)).status_code == 200
    return order.order_id


async def has_lost_a_refund(lone: LoneWorld) -> UUID:
    """Refund a part, and have the books forget it, as an older copy has."""
    world, order = lone.world, await placed(lone.world)
    await world.client.refund(replace(order, payment_method=None), Refund(700), wait=WAIT)
    async with asyncio.timeout(PATIENCE):
        while (await world.order(order.order_id)).payment_status != "partially_refunded":  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.05)
    for forgotten in (
        "DELETE FROM payment_operations WHERE order_id = :id AND operation = 'refund'",
        "DELETE FROM refunds WHERE order_id = :id",
        "DELETE FROM order_events WHERE order_id = :id AND type = 'refunded'",
        "UPDATE orders SET refunded_amount = 0, refunding_amount = 0, payment_status = 'captured' WHERE id = :id",
    ):
        await world.shop.run(forgotten, id=order.order_id)
    return order.order_id


async def is_closed_and_disputed(lone: LoneWorld) -> UUID:
    order = await placed(lone.world)
    await lone.terminate(order.order_id)
    await row_is(lone.world, order, "closed")
    await lone.sandbox.control("POST", f"payment_intents/{await lone.world.reference(order.order_id)}/dispute")
    return order.order_id


Make = Callable[[LoneWorld], Awaitable[UUID]]

KINDS: dict[FindingKind, tuple[Make, str]] = {
    FindingKind.WORKFLOW_LOST: (loses_its_workflow, HEALED),
    FindingKind.ROW_RESTORED: (has_an_older_row, HEALED),
    FindingKind.ROW_AHEAD: (has_a_newer_row, HEALED),
    FindingKind.ROW_RESTORED_AFTER_END: (has_an_older_row_after_its_end, HEALED),
    FindingKind.ROW_RESTORED_AFTER_SHIPMENT: (has_an_older_row_after_its_shipment, PARKED),
    FindingKind.ROW_LOST: (has_no_row, HEALED),
    FindingKind.PAYMENT_ADOPTED: (has_a_payment_that_was_lost, HEALED),
    FindingKind.PAYMENT_RETURNED: (is_not_there_and_paid, HEALED),
    FindingKind.REFUND_ADOPTED: (has_lost_a_refund, HEALED),
    FindingKind.PAYMENT_OF_ENDED_ORDER: (is_over_and_has_money, HEALED),
    FindingKind.NOT_HEALED: (can_not_be_given_back, PARKED),
    FindingKind.AMOUNT_DIFFERS: (was_refunded_by_hand, PARKED),
    FindingKind.DISPUTE_UNKNOWN: (is_closed_and_disputed, PARKED),
}


async def found_of(world: World) -> dict[UUID, set[tuple[str, str]]]:
    found: defaultdict[UUID, set[tuple[str, str]]] = defaultdict(set)
    for order_id, kind, action in await world.shop.run("SELECT order_id, kind, action FROM reconciliation_findings"):
        found[UUID(str(order_id))].add((str(kind), str(action)))
    return found


async def test_every_kind_of_finding_is_found_and_dealt_with_as_the_table_says(lone: LoneWorld) -> None:
    world = lone.world
    assert set(KINDS) == set(FindingKind)
    async with world.working():
        made = {kind: await make(lone) for kind, (make, _) in KINDS.items()}
        expected = {made[kind]: {(kind.value, action)} for kind, (_, action) in KINDS.items()}
        async with asyncio.timeout(PATIENCE):
            while not (found := await found_of(world)).keys() >= expected.keys():
                await reconcile(world)  # Temporal's lists follow the truth by about a second

        assert found == expected
        assert await world.client.is_running(made[FindingKind.WORKFLOW_LOST])
        assert not await world.client.is_running(made[FindingKind.ROW_LOST])
        assert (await world.ended(made[FindingKind.ROW_AHEAD])).status is OrderStatus.CANCELLED
        for kind in (FindingKind.PAYMENT_RETURNED, FindingKind.PAYMENT_OF_ENDED_ORDER):
            assert await world.charged(made[kind]) == []
        for kind in (FindingKind.NOT_HEALED, FindingKind.WORKFLOW_LOST, FindingKind.DISPUTE_UNKNOWN):
            assert await world.charged(made[kind]) == [2000]
        assert (await world.order(made[FindingKind.ROW_RESTORED_AFTER_SHIPMENT])).needs_operator
        assert (await world.needs_operator(made[FindingKind.AMOUNT_DIFFERS])).operator_reason == "refunded_elsewhere"
        assert await world.charged(made[FindingKind.REFUND_ADOPTED]) == [1300]
        assert (await world.order(made[FindingKind.REFUND_ADOPTED])).payment_status == "partially_refunded"
        assert await world.events(made[FindingKind.REFUND_ADOPTED]) == ["opened", "placed", "refunded"]
        refund = "SELECT state, amount, actor FROM refunds WHERE order_id = :id"
        adopted = await world.shop.run(refund, id=made[FindingKind.REFUND_ADOPTED])
        assert adopted == [("succeeded", 700, "reconciliation")]
        await _stands(world, made[FindingKind.PAYMENT_ADOPTED], OrderStatus.PLACED)
        await _stands(world, made[FindingKind.ROW_RESTORED_AFTER_END], OrderStatus.CANCELLED)


async def _stands(world: World, order_id: UUID, status: OrderStatus) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await world.order(order_id)).status is not status:  # noqa: ASYNC110 - it is in the database
            await asyncio.sleep(0.05)
