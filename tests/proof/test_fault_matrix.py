"""The fault table of what happens to us: whoever asks the provider dies, or somebody is away, at each point of a call.

`test_faults.py` is the other half: what the provider does to a call.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from contracts.orders import Cancel, PlaceOrder, Refund, order_workflow_id
from contracts.queues import TaskQueue
from domain.captures import CapturePolicy
from domain.order_states import OrderStatus
from domain.provider_payments import ProviderUnavailableError
from tests.support.lone_world import LoneWorld, lone_world
from tests.support.meddler import Meddler
from tests.support.mortal_payments import mortal_payments
from tests.support.postgres import PostgresForTests
from tests.support.reconciling import require_every_penny
from tests.support.sandbox import SECRET_KEY
from tests.support.temporal import plain_client, running_temporal
from tests.support.world import World
from workers.wiring import WORK, create_worker

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]

WAIT = timedelta(minutes=6)
HOUR = timedelta(hours=1)
MOMENTS = ("before", "after", "committed")


@dataclass(frozen=True, slots=True)
class End:
    """What an order has come to, and every effect that the provider's own tables hold of it."""

    status: str
    stock: tuple[int, int]
    reserved: int
    captures: tuple[int, ...]
    refunds: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.status} {sum(self.captures) - sum(self.refunds)}"


Act = Callable[[World, PlaceOrder], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Row:
    """An operation: what brings an order to it, what makes it happen, and what the order comes to."""

    name: str
    operation: str
    end: End
    act: Act
    placed: bool = True
    capture: CapturePolicy = CapturePolicy.PLACEMENT

    async def ready(self, world: World) -> tuple[PlaceOrder, str]:
        """Make an order that stands before the operation."""
        sku = await world.goods(stock=10)
        order = replace(world.order_of(await world.cart((sku, 1))), capture=self.capture)
        if self.placed:
            await place(world, order)
        return order, sku


async def place(world: World, order: PlaceOrder) -> None:
    await world.client.place(order, wait=WAIT)


async def cancel(world: World, order: PlaceOrder) -> None:
    await world.client.cancel(order.order_id, Cancel(), wait=WAIT)


async def refund_a_part(world: World, order: PlaceOrder) -> None:
    await world.client.refund(replace(order, payment_method=None), Refund(400), wait=WAIT)


ROWS = (
    Row("authorise", "authorise", End("placed", (9, 0), 0, (1000,), ()), place, placed=False),
    Row("capture", "capture", End("placed", (9, 0), 0, (1000,), ()), place, placed=False),
    Row("void", "void", End("cancelled", (10, 0), 0, (), ()), cancel, capture=CapturePolicy.SHIPMENT),
    Row("refund, all of it", "refund", End("cancelled", (10, 0), 0, (1000,), (1000,)), cancel),
    Row("refund, a part", "refund", End("placed", (9, 0), 0, (1000,), (400,)), refund_a_part),
)


async def end_of(lone: LoneWorld, order: PlaceOrder, sku: str) -> End:
    world, name = lone.world, str(order.order_id)
    captures = "SELECT captured_amount FROM payment_intents WHERE order_id = $1 AND captured_amount > 0"
    refunds = (
        "SELECT r.amount FROM refunds r JOIN payment_intents p ON p.id = r.payment_intent WHERE p.order_id = $1"
        " ORDER BY r.amount"
    )
    return End(
        (await world.order(order.order_id)).status,
        await world.stock(sku),
        await world.reserved_money(order.order_id),
        tuple(row[0] for row in await lone.sandbox.fetch(captures, name)),
        tuple(row[0] for row in await lone.sandbox.fetch(refunds, name)),
    )


Table_ = dict[tuple[str, Row], End]


async def require_the_same_ends(lone: LoneWorld, ends: Table_) -> None:
    show(ends)
    assert {f"{fault}: {row.name}": str(end) for (fault, row), end in ends.items() if end != row.end} == {}
    await require_every_penny(lone.world)


def show(ends: Table_) -> None:
    """Print the table: a line for each fault, a column for each operation."""
    table = Table("fault", *(row.name for row in ROWS), title="What an order comes to, and what is kept of its money")
    for fault in dict.fromkeys(fault for fault, _ in ends):
        table.add_row(fault, *(str(ends[fault, row]) for row in ROWS))
    Console(file=sys.stdout, width=160).print(table)


@pytest.fixture(scope="module")
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    async with running_temporal() as environment:
        yield environment


@pytest.fixture
async def lone(postgres: PostgresForTests, temporal: WorkflowEnvironment) -> AsyncIterator[LoneWorld]:
    async with lone_world(postgres, await plain_client(temporal)) as lone:
        yield lone


@pytest.fixture
async def hasty(postgres: PostgresForTests, temporal: WorkflowEnvironment) -> AsyncIterator[LoneWorld]:
    async with lone_world(postgres, temporal.client) as lone:
        yield lone


async def test_worker_that_is_killed_at_any_point_of_a_call_leaves_what_no_kill_leaves(
    lone: LoneWorld, tmp_path: Path
) -> None:
    world, ends = lone.world, dict[tuple[str, Row], End]()
    async with world.working():
        ready = {(moment, row): await row.ready(world) for moment in MOMENTS for row in ROWS}
    environment = {
        "DATABASE_URL": lone.database_url,
        "TEMPORAL_ADDRESS": world.temporal.service_client.config.target_host,
        "EVERORDER_STRIPE_API_BASE": lone.sandbox.url,
        "EVERORDER_STRIPE_API_KEY": SECRET_KEY,
    }
    async with AsyncExitStack() as stack:
        for queue, work_of in WORK.items():
            if queue is not TaskQueue.PAYMENTS:
                await stack.enter_async_context(create_worker(world.temporal, queue, work_of(world.resources)))
        deaths = await stack.enter_async_context(mortal_payments(tmp_path, environment))
        for (moment, row), (order, _) in ready.items():
            deaths.order(order.order_id, f"{moment} {row.operation}")
        await asyncio.gather(*(row.act(world, order) for (_, row), (order, _) in ready.items()))
        assert deaths.left == set(), "nobody has died there"
        for (moment, row), (order, sku) in ready.items():
            ends[f"worker killed: {moment}", row] = await end_of(lone, order, sku)
        await require_the_same_ends(lone, ends)


@dataclass
class AwayForAnHour(Meddler):
    """Answers no attempt of a step's first hour by Temporal's clock; fewer than there would be, to save time."""

    refused: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)

    async def _moment(self, moment: str) -> None:
        if moment.startswith("before "):
            about = activity.info()
            if about.current_attempt_scheduled_time - about.scheduled_time < HOUR:
                self.refused.add(moment)
                raise ApplicationError("away", next_retry_delay=HOUR / 6) from ProviderUnavailableError()
            self.answered.add(moment)


async def test_provider_that_is_away_for_an_hour_is_waited_for(hasty: LoneWorld) -> None:
    world, ends = hasty.world, dict[tuple[str, Row], End]()
    async with world.working():
        ready = {row: await row.ready(world) for row in ROWS}
    provider, away = world.provider, AwayForAnHour(world.provider)
    world.provider = away
    async with world.working():
        await asyncio.gather(*(row.act(world, order) for row, (order, _) in ready.items()))
        assert {"before prepare", "before find"} <= away.refused, "the provider was not away for all of them"
        assert {f"before {row.operation}" for row in ROWS} <= away.answered, "nothing waited for an hour"
        world.provider = provider
        for row, (order, sku) in ready.items():
            ends["provider away for an hour", row] = await end_of(hasty, order, sku)
        await require_the_same_ends(hasty, ends)


async def test_database_that_is_away_after_a_call_loses_nothing_of_it(
    lone: LoneWorld, postgres: PostgresForTests
) -> None:
    world, ends = lone.world, dict[tuple[str, Row], End]()
    meddler = Meddler(world.provider)
    provider, world.provider = world.provider, meddler
    async with world.working():
        for row in ROWS:
            order, sku = await row.ready(world)
            called = meddler.hold(f"after {row.operation}")
            acting = asyncio.create_task(_acted(row, world, order))
            await called.reached.wait()
            with postgres.away(lone.database_url):
                called.opened.set()
                await step_has_failed(world, order)
            await acting
            ends["database away after the call", row] = await end_of(lone, order, sku)
        world.provider = provider
        await require_the_same_ends(lone, ends)


async def step_has_failed(world: World, order: PlaceOrder) -> None:
    """Wait until a step of an order has met what is in its way."""
    handle = world.temporal.get_workflow_handle(order_workflow_id(order.order_id))
    async with asyncio.timeout(30):
        while True:
            pending = (await handle.describe()).raw_description.pending_activities
            if any(step.HasField("last_failure") for step in pending):
                return
            await asyncio.sleep(0.05)


async def _acted(row: Row, world: World, order: PlaceOrder) -> None:
    await row.act(world, order)
    assert (await world.order(order.order_id)).status in {OrderStatus.PLACED, OrderStatus.CANCELLED}
