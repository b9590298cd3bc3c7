"""Reconciliation with a real Temporal and a real payment server: each kind of loss, and what becomes of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.testing import WorkflowEnvironment

from cli.audit import audit
from contracts.orders import Cancel, Pay, PlaceOrder, Refund
from contracts.schedules import RECONCILIATION
from db.audit.checks import Finding
from domain.order_states import OrderStatus
from tests.support.confirming import received
from tests.support.lone_world import LoneWorld, lone_world
from tests.support.postgres import PostgresForTests
from tests.support.reconciling import reconcile
from tests.support.temporal import plain_client, running_temporal
from tests.support.world import WAIT, World

DECLINED = "pm_card_chargeDeclined"
NOTHING = timedelta(0)


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    async with running_temporal() as environment:
        yield environment


@pytest.fixture
async def lone(postgres: PostgresForTests, temporal: WorkflowEnvironment) -> AsyncIterator[LoneWorld]:
    async with lone_world(postgres, await plain_client(temporal)) as lone:
        lone.world.grace = NOTHING
        yield lone


@pytest.fixture
def world(lone: LoneWorld) -> World:
    return lone.world


async def broken(world: World) -> dict[str, Finding]:
    recheck = timedelta(seconds=10)
    report = await audit(
        world.sessions, settled=True, provider=world.provider, orders_client=world.client, recheck=recheck
    )
    return report.broken_checks


async def ready(world: World, *, card: str = "pm_card_visa", stock: int = 10) -> PlaceOrder:
    return world.order_of(await world.cart((await world.goods(stock=stock), 2)), card=card)


async def placed(world: World) -> PlaceOrder:
    order = await ready(world)
    assert (await world.place(order)).status is OrderStatus.PLACED
    return order


# A healthy shop --------------------------------------------------------------------------------------------------


async def test_a_round_changes_nothing_in_a_healthy_shop(lone: LoneWorld, world: World) -> None:
    foreign = await lone.taken(None, capture="manual")
    async with world.working():
        order = await placed(world)
        waiting = await ready(world, card=DECLINED)
        await world.place(waiting)
        cancelled = await placed(world)
        await world.client.cancel(cancelled.order_id, Cancel(), wait=WAIT)
        await world.told(order.order_id)
        before = await world.shop.contents()

        latest = await reconcile(world, RECONCILIATION)
        whole = await reconcile(world)

        assert (latest.healed, latest.findings) == (whole.healed, whole.findings) == (0, [])
        assert whole.sums == {
            "GBP": {
                "provider_captured": 4000,
                "provider_refunded": 2000,
                "books_captured": 4000,
                "books_refunded": 2000,
            }
        }
        assert await world.shop.contents() == before
        assert (await world.provider.find(foreign)).state == "authorised"
        assert await broken(world) == {}


async def test_a_round_leaves_orders_alone_whose_money_people_confirm(world: World) -> None:
    async with world.working():
        waiting, paid, promised = [
            await ready(world, card=way) for way in ("bank_transfer",) * 2 + ("cash_on_delivery",)
        ]
        for one in (waiting, paid, promised):
            await world.place(one)
        await received(world, paid)
        await world.stands(paid.order_id, OrderStatus.PLACED)

        found = await reconcile(world)

    assert (found.healed, found.findings) == (0, [])
    assert found.sums["GBP"] == {
        "provider_captured": 2000,
        "provider_refunded": 0,
        "books_captured": 2000,
        "books_refunded": 0,
    }
    assert (await world.order(waiting.order_id)).status is OrderStatus.PAYMENT_REQUIRED
    report = await audit(world.sessions, settled=True, provider=world.providers, orders_client=world.client)
    assert report.broken_checks == {}


async def test_payments_of_another_installation_on_the_same_account_are_left_alone(
    lone: LoneWorld, world: World
) -> None:
    async with world.working():
        order = await placed(world)
        theirs = await lone.taken(uuid4(), installation="staging")
        copied = await lone.taken(order.order_id, installation="staging", key=f"{order.order_id}:authorise:1")
        held = await lone.taken(order.order_id, installation="staging", capture="manual")

        found = await reconcile(world)

    assert (found.healed, found.findings) == (0, [])
    assert [(await world.provider.find(one)).refunded for one in (theirs, copied)] == [0, 0]
    assert (await world.provider.find(held)).state == "authorised"
    assert await world.charged(order.order_id) == [2000]
    assert not {copied, held} & {one.reference async for one in world.provider.ledger() if one.order_id is not None}
    assert await broken(world) == {}


# Workflows that are gone -----------------------------------------------------------------------------------------


async def test_open_orders_whose_workflows_were_terminated_are_resumed(lone: LoneWorld, world: World) -> None:
    async with world.working():
        order, waiting = await placed(world), await ready(world, card=DECLINED)
        await world.place(waiting)
        for one in (order, waiting):
            await lone.terminate(one.order_id)

        found = await reconcile(world)

        assert found.findings == [("workflow_lost", "healed")] * 2
        assert await world.client.is_running(order.order_id)
        assert await world.client.is_running(waiting.order_id)
        assert await world.charged(order.order_id) == [2000]
        assert await broken(world) == {}


async def test_an_order_that_has_just_changed_is_left_alone(lone: LoneWorld, world: World) -> None:
    world.grace = timedelta(minutes=10)
    async with world.working():
        order = await placed(world)
        await lone.terminate(order.order_id)

        assert (await reconcile(world)).findings == []

        assert not await world.client.is_running(order.order_id)


async def test_an_operator_reconciles_from_the_command_line_and_the_audit_shows_it(
    lone: LoneWorld, world: World
) -> None:
    order_id = uuid4()
    async with world.working():
        order = await placed(world)
        await lone.terminate(order.order_id)
        await lone.taken(order_id)

        code, output = await lone.everorder("payments", "reconcile", "--all")
        _, audited = await lone.everorder("audit")

    assert code == 0, output
    assert "2 put in order, 0 left to a person" in output
    for said in ("workflow_lost", "payment_returned", str(order_id), "provider_captured=4000"):
        assert said in output
        assert said in audited


# Payments that the books do not know -----------------------------------------------------------------------------


@pytest.mark.parametrize("capture", ["automatic", "manual"])
async def test_a_payment_of_an_order_that_is_not_there_is_given_back_once(
    lone: LoneWorld, world: World, capture: str
) -> None:
    order_id = uuid4()
    reference = await lone.taken(order_id, capture=capture)
    async with world.working():
        first, second = await reconcile(world), await reconcile(world)

    assert (first.findings, second.findings) == ([("payment_returned", "healed")], [])
    assert await world.charged(order_id) == []
    assert await world.reserved_money(order_id) == 0
    [(state, amount)] = await world.shop.run(
        "SELECT state, amount FROM returned_payments WHERE reference = :reference", reference=reference
    )
    assert (state, amount) == (("refunded", 2000) if capture == "automatic" else ("voided", 0))
    assert await broken(world) == {}


async def test_a_second_payment_of_a_placed_order_is_given_back_and_the_first_is_kept(
    lone: LoneWorld, world: World
) -> None:
    async with world.working():
        order = await placed(world)
        await lone.taken(order.order_id)

        assert (await reconcile(world)).findings == [("payment_returned", "healed")]

        assert await world.charged(order.order_id) == [2000]
        assert (await world.order(order.order_id)).status is OrderStatus.PLACED
        assert await broken(world) == {}


async def test_a_round_that_died_after_it_had_given_a_payment_back_is_gone_on_with(
    lone: LoneWorld, world: World
) -> None:
    async with world.working():
        order = await placed(world)
        second = await lone.taken(order.order_id)
        await reconcile(world)
        await world.shop.run("UPDATE returned_payments SET state = 'started' WHERE reference = :id", id=second)

        first, then = await reconcile(world), await reconcile(world)

    assert (first.findings, then.findings) == ([("payment_returned", "healed")], [])
    assert await world.shop.run("SELECT state, amount FROM returned_payments") == [("refunded", 2000)]
    assert await world.charged(order.order_id) == [2000]
    assert await broken(world) == {}


async def test_a_payment_of_a_cancelled_order_is_given_back(lone: LoneWorld, world: World) -> None:
    async with world.working():
        order = await placed(world)
        await world.client.cancel(order.order_id, Cancel(), wait=WAIT)
        await world.ended(order.order_id)
        await lone.taken(order.order_id, key=f"{order.order_id}:authorise:7")

        assert (await reconcile(world)).findings == [("payment_returned", "healed")]

        assert await world.charged(order.order_id) == []
        assert await broken(world) == {}


async def fail_refund(lone: LoneWorld, order: PlaceOrder) -> None:
    """Have the one refund of an order that has succeeded fail after all: the buyer's bank has sent the money back."""
    [payment] = [one async for one in lone.world.provider.ledger() if one.order_id == order.order_id]
    await lone.sandbox.control("POST", f"refunds/{payment.refunds[0].reference}/settle", {"status": "failed"})


async def test_a_refund_of_a_cancelled_order_that_fails_later_is_made_again_once(lone: LoneWorld, world: World) -> None:
    async with world.working():
        order = await placed(world)
        await world.client.cancel(order.order_id, Cancel(), wait=WAIT)
        await world.ended(order.order_id)
        await fail_refund(lone, order)

        first, second = await reconcile(world), await reconcile(world)

    assert (first.healed, first.findings) == (1, [("payment_of_ended_order", "healed")])
    assert (second.healed, second.findings) == (0, [])
    assert await world.charged(order.order_id) == []
    assert await world.operations(order.order_id) == {
        "authorise:1": "succeeded",
        "capture:1": "succeeded",
        "refund:1": "declined",
        "refund:2": "succeeded",
    }
    assert await broken(world) == {}


async def test_a_refund_of_a_closed_order_that_fails_later_is_left_to_a_person_who_can_make_it_again(
    lone: LoneWorld, world: World
) -> None:
    async with world.working():
        order = replace(await placed(world), payment_method=None)
        await world.client.refund(order, Refund(700), wait=WAIT)
        await world.told(order.order_id)
        await lone.terminate(order.order_id)
        await world.shop.run("UPDATE orders SET status = 'closed' WHERE id = :id", id=order.order_id)
        await fail_refund(lone, order)

        found = await reconcile(world)
        assert (found.healed, found.findings) == (0, [("amount_differs", "parked")])
        assert (await world.order(order.order_id)).payment_status == "captured"
        assert await world.charged(order.order_id) == [2000]
        await world.client.refund(order, Refund(700), wait=WAIT)
        assert (await reconcile(world)).findings == []

    assert await world.charged(order.order_id) == [1300]
    assert (await world.order(order.order_id)).payment_status == "partially_refunded"


async def test_a_payment_that_can_not_be_given_back_is_left_to_a_person_until_it_is(
    lone: LoneWorld, world: World
) -> None:
    order_id = uuid4()
    await lone.taken(order_id)
    async with world.working():
        await lone.sandbox.misbehave("error_before", operation="refund")
        rounds = [await reconcile(world) for _ in range(2)]

    assert [one.findings for one in rounds] == [[("not_healed", "parked")], [("payment_returned", "healed")]]
    [(count,)] = await world.shop.run(
        "SELECT count(*) FROM reconciliation_findings WHERE action = 'parked' AND settled_at IS NULL"
    )
    assert count == 0
    assert await world.charged(order_id) == []


# Rows that were restored from an older copy ----------------------------------------------------------------------


async def test_a_row_that_was_restored_is_what_its_order_goes_on_from(
    lone: LoneWorld, world: World, postgres: PostgresForTests
) -> None:
    order = await ready(world, card=DECLINED)
    async with world.working():
        await world.place(order)
        copy = await asyncio.to_thread(postgres.copy, lone.database_url)
        await world.client.pay(order.order_id, Pay("pm_card_visa"), wait=WAIT)
        await asyncio.to_thread(postgres.restore, lone.database_url, copy)
        assert (await world.order(order.order_id)).status is OrderStatus.PAYMENT_REQUIRED

        found = await reconcile(world)
        await world.stands(order.order_id, OrderStatus.PLACED)

        assert found.findings == [("payment_adopted", "healed")]
        assert await world.charged(order.order_id) == [2000]
        assert await broken(world) == {}
