"""The audit of a system at rest, with a real Temporal and a real payment server: what it says of each kind of loss."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from temporalio.testing import WorkflowEnvironment

from cli.audit import audit
from cli.audit.report import AuditReport
from contracts.orders import PlaceOrder, order_workflow_id
from contracts.queues import TaskQueue
from db import orders
from db.audit.checks import Finding
from db.engine import create_engine
from domain.order_states import OrderStatus
from tests.support.postgres import PostgresForTests
from tests.support.sandbox import SECRET_KEY, SandboxForTests, running_sandbox
from tests.support.shop import Shop
from tests.support.temporal import running_temporal
from tests.support.world import World, open_world
from workflows.order import OrderWorkflow

AT_ONCE = timedelta(0)


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    async with running_temporal() as environment:
        yield environment


@pytest.fixture
def database(postgres: PostgresForTests) -> str:
    return postgres.migrated()


@pytest.fixture
def sandbox(postgres: PostgresForTests) -> Iterator[SandboxForTests]:
    with running_sandbox(postgres.url(f"sandbox_{uuid4().hex[:12]}")) as server:
        yield server


@pytest.fixture
async def world(database: str, temporal: WorkflowEnvironment, sandbox: SandboxForTests) -> AsyncIterator[World]:
    engine = create_engine(database)
    async with open_world(Shop(engine), temporal.client, sandbox.url, SECRET_KEY) as world:
        yield world
        async for order_id in world.client.running():
            if await world.client.is_running(order_id):
                await world.temporal.get_workflow_handle(order_workflow_id(order_id)).terminate()
    await engine.dispose()


async def audited(world: World, recheck: timedelta = AT_ONCE) -> AuditReport:
    return await audit(
        world.sessions, settled=True, provider=world.provider, orders_client=world.client, recheck=recheck
    )


async def broken(world: World, recheck: timedelta = AT_ONCE) -> dict[str, Finding]:
    return (await audited(world, recheck)).broken_checks


async def placed(world: World) -> PlaceOrder:
    order = world.order_of(await world.cart((await world.goods(), 2)))
    async with world.working():
        outcome = await world.place(order)
    assert outcome.status is OrderStatus.PLACED
    return order


async def terminate(world: World, order_id: UUID) -> None:
    await world.temporal.get_workflow_handle(order_workflow_id(order_id)).terminate()


async def intent(sandbox: SandboxForTests, order_id: UUID, *, capture: str = "automatic", amount: int = 700) -> str:
    """Take or reserve money behind the backend's back."""
    answer = await sandbox.call(
        "POST",
        "/v1/payment_intents",
        {
            "amount": str(amount),
            "currency": "gbp",
            "capture_method": capture,
            "confirm": "true",
            "payment_method": "pm_card_visa",
            "metadata[order_id]": str(order_id),
        },
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def test_placed_order_is_clean_at_once_although_temporals_list_lags(world: World) -> None:
    order = await placed(world)
    report = await audited(world)

    assert report.broken_checks == {}
    assert [one.id for one in report.invariants] == [f"I{number}" for number in range(1, 10)]
    checked = {finding.name: finding.checked for one in report.invariants for finding in one.findings}
    assert checked["order_has_workflow"] == 1
    assert checked["provider_agrees"] == 1
    assert await world.client.is_running(order.order_id)


async def test_terminated_workflow_is_found_and_resuming_the_order_heals_it(world: World) -> None:
    order = await placed(world)
    await terminate(world, order.order_id)
    number = (await world.order(order.order_id)).number

    findings = await broken(world)
    assert {name: finding.rows for name, finding in findings.items()} == {
        "order_has_workflow": (
            {"order_id": str(order.order_id), "number": number, "status": "placed", "workflow_running": False},
        )
    }

    async with world.sessions() as session:
        await world.client.resume(await orders.restart(session, order.order_id))
    async with world.working():
        assert await broken(world) == {}


async def test_workflow_that_turns_up_while_it_is_looked_up_again_is_not_reported(world: World) -> None:
    order = await placed(world)
    await terminate(world, order.order_id)
    auditing = asyncio.create_task(audited(world, timedelta(seconds=20)))
    await asyncio.sleep(1)
    async with world.sessions() as session:
        await world.client.resume(await orders.restart(session, order.order_id))
    assert (await auditing).broken_checks == {}


async def test_running_workflow_without_an_order_is_found(world: World) -> None:
    lost = world.order_of(uuid4())
    await world.temporal.start_workflow(
        OrderWorkflow.run, lost, id=order_workflow_id(lost.order_id), task_queue=TaskQueue.ORDERS
    )
    await asyncio.sleep(2)  # until Temporal lists it

    findings = await broken(world)
    assert list(findings) == ["workflow_has_order"]
    [row] = findings["workflow_has_order"].rows
    assert row == {"order_id": str(lost.order_id), "number": None, "status": None, "workflow_running": True}

    await terminate(world, lost.order_id)
    assert await broken(world) == {}


async def test_money_of_an_unknown_order_at_the_provider_is_found(world: World, sandbox: SandboxForTests) -> None:
    await placed(world)
    unknown = uuid4()
    reference = await intent(sandbox, unknown)

    findings = await broken(world)
    assert list(findings) == ["provider_knows_order"]
    [row] = findings["provider_knows_order"].rows
    assert row == {"order_id": str(unknown), "kept_by_provider": 700, "live": 0, "payments": reference}


async def test_second_charge_and_reserved_money_and_foreign_refund_are_found(
    world: World, sandbox: SandboxForTests
) -> None:
    charged, refunded = await placed(world), await placed(world)
    await intent(sandbox, charged.order_id)
    [(own,)] = await world.shop.run(
        "SELECT provider_reference FROM payment_operations WHERE order_id = :id AND operation = 'capture'",
        id=refunded.order_id,
    )
    await sandbox.call("POST", "/v1/refunds", {"payment_intent": str(own), "amount": "500"})
    cart = await world.cart((await world.goods(stock=1), 2))
    failed = world.order_of(cart)
    async with world.working():
        assert (await world.place(failed)).status is OrderStatus.FAILED
    held = await intent(sandbox, failed.order_id, capture="manual")

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


async def test_command_says_clean_with_0_and_broken_with_1(
    world: World, sandbox: SandboxForTests, database: str
) -> None:
    order = await placed(world)
    environment = os.environ | {
        "DATABASE_URL": database,
        "TEMPORAL_ADDRESS": world.temporal.service_client.config.target_host,
        "EVERORDER_STRIPE_API_BASE": sandbox.url,
        "EVERORDER_STRIPE_API_KEY": SECRET_KEY,
    }

    async def said(*options: str) -> tuple[int | None, str]:
        command = [sys.executable, "-P", "-m", "cli.main", "audit", *options]
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        return process.returncode, output.decode()

    code, output = await said("--settled", "--json")
    assert (code, json.loads(output)["ok"]) == (0, True)

    await terminate(world, order.order_id)
    code, output = await said("--settled", "--recheck", "0")
    assert code == 1
    assert "I5 order_has_workflow: an open order has a running workflow; 1 broken" in output
    assert str(order.order_id) in output

    code, output = await said()
    assert code == 0
    assert "--settled" in output
