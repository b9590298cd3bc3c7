"""The audit of a system at rest, with a real Temporal and a real payment server: what it says of each kind of loss."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from temporalio.testing import WorkflowEnvironment

from cli.audit import audit
from cli.audit.report import AuditReport
from contracts.orders import Cancel, order_workflow_id
from contracts.queues import TaskQueue
from db import orders
from db.audit.checks import Finding
from domain.errors import IllegalStepError
from domain.order_states import OrderStatus
from tests.support.lone_world import LoneWorld, lone_world
from tests.support.postgres import PostgresForTests
from tests.support.temporal import running_temporal
from tests.support.world import VISA, WAIT, World
from workflows.order import OrderWorkflow

AT_ONCE = timedelta(0)
DECLINED = "pm_card_chargeDeclinedInsufficientFunds"


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    async with running_temporal() as environment:
        yield environment


@pytest.fixture
async def lone(postgres: PostgresForTests, temporal: WorkflowEnvironment) -> AsyncIterator[LoneWorld]:
    async with lone_world(postgres, temporal.client) as lone:
        yield lone


async def audited(world: World, recheck: timedelta = AT_ONCE) -> AuditReport:
    return await audit(
        world.sessions, settled=True, provider=world.provider, orders_client=world.client, recheck=recheck
    )


async def broken(world: World) -> dict[str, Finding]:
    return (await audited(world)).broken_checks


async def resume(world: World, order_id: UUID) -> None:
    async with world.sessions() as session:
        await world.client.resume(await orders.restart(session, order_id))


async def test_placed_order_is_clean_at_once_although_temporals_list_lags(lone: LoneWorld) -> None:
    order = await lone.placed()
    report = await audited(lone.world)

    assert report.broken_checks == {}
    assert [one.id for one in report.invariants] == [f"I{number}" for number in range(1, 14)]
    checked = {finding.name: finding.checked for one in report.invariants for finding in one.findings}
    assert (checked["order_has_workflow"], checked["provider_agrees"], checked["captured_once"]) == (1, 1, 1)
    assert await lone.world.client.is_running(order.order_id)


async def test_audit_of_a_shop_at_work_is_clean_at_every_moment(lone: LoneWorld) -> None:
    world = lone.world
    skus = [await world.goods(stock=30) for _ in range(3)]

    over = asyncio.Event()

    async def buying(card: str) -> None:
        while not over.is_set():
            order = world.order_of(await world.cart(*((sku, 1) for sku in skus)), card=card)
            await world.place(order)
            with contextlib.suppress(IllegalStepError):
                await world.client.cancel(order.order_id, Cancel(), wait=WAIT)

    async with world.working():
        trade = asyncio.gather(*(buying(card) for card in [VISA, DECLINED] * 10))
        for _ in range(5):
            assert (await audit(world.sessions)).broken_checks == {}
        over.set()
        await trade
    assert await broken(world) == {}
    assert [await world.stock(sku) for sku in skus] == [(30, 0)] * 3


async def test_terminated_workflow_is_found_and_resuming_the_order_heals_it(lone: LoneWorld) -> None:
    order = await lone.placed()
    await lone.terminate(order.order_id)
    number = (await lone.world.order(order.order_id)).number

    findings = await broken(lone.world)
    assert {name: finding.rows for name, finding in findings.items()} == {
        "order_has_workflow": (
            {"order_id": str(order.order_id), "number": number, "status": "placed", "workflow_running": False},
        )
    }

    await resume(lone.world, order.order_id)
    assert await broken(lone.world) == {}


async def test_workflow_that_turns_up_while_it_is_looked_up_again_is_not_reported(lone: LoneWorld) -> None:
    order = await lone.placed()
    await lone.terminate(order.order_id)
    auditing = asyncio.create_task(audited(lone.world, timedelta(seconds=20)))
    await asyncio.sleep(1)
    await resume(lone.world, order.order_id)
    assert (await auditing).broken_checks == {}


async def test_running_workflow_without_an_order_is_found(lone: LoneWorld) -> None:
    lost = lone.world.order_of(uuid4())
    await lone.world.temporal.start_workflow(
        OrderWorkflow.run, lost, id=order_workflow_id(lost.order_id), task_queue=TaskQueue.ORDERS
    )
    await asyncio.sleep(2)  # until Temporal lists it

    findings = await broken(lone.world)
    assert list(findings) == ["workflow_has_order"]
    [row] = findings["workflow_has_order"].rows
    assert row == {"order_id": str(lost.order_id), "number": None, "status": None, "workflow_running": True}

    await lone.terminate(lost.order_id)
    assert await broken(lone.world) == {}


async def test_workflow_of_an_ended_order_is_found_unless_its_buyer_is_still_to_be_told(lone: LoneWorld) -> None:
    order = await lone.placed()
    id_ = order.order_id
    await lone.world.shop.run("UPDATE orders SET status = 'closed' WHERE id = :id", id=id_)
    await lone.world.shop.run("UPDATE notifications SET state = 'pending', sent_at = NULL WHERE order_id = :id", id=id_)
    assert "workflow_has_order" not in await broken(lone.world)

    await lone.world.shop.run("UPDATE notifications SET state = 'dropped' WHERE order_id = :id", id=id_)
    await asyncio.sleep(1)  # until Temporal lists it
    [row] = (await broken(lone.world))["workflow_has_order"].rows
    assert (row["order_id"], row["status"], row["workflow_running"]) == (str(id_), "closed", True)


async def test_money_of_an_unknown_order_at_the_provider_is_found(lone: LoneWorld) -> None:
    await lone.placed()
    unknown = uuid4()
    reference = await lone.taken(unknown, amount=700)

    findings = await broken(lone.world)
    assert list(findings) == ["provider_knows_order"]
    [row] = findings["provider_knows_order"].rows
    assert row == {"order_id": str(unknown), "kept_by_provider": 700, "live": 0, "payments": reference}


async def test_second_charge_and_reserved_money_and_foreign_refund_are_found(lone: LoneWorld) -> None:
    world, sandbox = lone.world, lone.sandbox
    charged, refunded = await lone.placed(), await lone.placed()
    await lone.taken(charged.order_id, amount=700)
    [(own,)] = await world.shop.run(
        "SELECT provider_reference FROM payment_operations WHERE order_id = :id AND operation = 'capture'",
        id=refunded.order_id,
    )
    await sandbox.call("POST", "/v1/refunds", {"payment_intent": str(own), "amount": "500"})
    failed = world.order_of(await world.cart((await world.goods(stock=1), 2)))
    async with world.working():
        assert (await world.place(failed)).status is OrderStatus.FAILED
    held = await lone.taken(failed.order_id, amount=700, capture="manual")

    findings = await broken(world)
    assert set(findings) == {"captured_once", "provider_agrees", "nothing_live_at_provider"}
    [twice] = findings["captured_once"].rows
    assert (twice["order_id"], twice["captures"]) == (str(charged.order_id), 2)
    kept = {
        row["order_id"]: (row["kept_by_operations"], row["kept_by_provider"])
        for row in findings["provider_agrees"].rows
    }
    assert kept == {str(charged.order_id): (2000, 2700), str(refunded.order_id): (2000, 1500)}
    [live] = findings["nothing_live_at_provider"].rows
    assert (live["order_id"], live["status"], live["payments"]) == (str(failed.order_id), "failed", held)


async def test_command_ends_with_0_when_clean_and_with_1_and_the_row_when_broken(lone: LoneWorld) -> None:
    order = await lone.placed()
    code, output = await lone.everorder("audit", "--settled", "--json")
    assert code == 0, output
    assert json.loads(output)["ok"] is True

    await lone.terminate(order.order_id)
    code, output = await lone.everorder("audit", "--settled", "--recheck", "0")
    assert code == 1, output
    assert "I5 order_has_workflow: an open order has a running workflow; 1 broken" in output
    assert str(order.order_id) in output

    code, output = await lone.everorder("audit")
    assert code == 0, output
    assert "Every invariant holds." in output
