"""A worker of a real server is judged by what it does: one that hangs stands still, one that takes long does not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from clients.backlogs import ACTIVITY_TASKS, WORKFLOW_TASKS, backlog
from contracts.queues import TaskQueue
from contracts.schedules import Chore
from tests.support.temporal import plain_client
from workers.signs_of_life import Pulse, Vitals
from workers.watch import stands_still
from workers.wiring import QueueWork, create_worker
from workflows.chore import ChoreWorkflow

SLOW = Chore("tests.slow", every=timedelta(hours=1), what="Take long")
QUEUE = TaskQueue.MAINTENANCE
PATIENCE = 0.5
FOR_LONG = 3 * PATIENCE
BEHIND = 2


@pytest.fixture
async def client(temporal: WorkflowEnvironment) -> Client:
    return await plain_client(temporal)


@asynccontextmanager
async def occupied(client: Client, wait: Callable[[asyncio.Event], Awaitable[None]]) -> AsyncIterator[Vitals]:
    """Have a worker's only slot be taken by an activity that waits for the end of the block, and others behind it."""
    begun, released = asyncio.Event(), asyncio.Event()

    @activity.defn(name=SLOW.activity)
    async def slow() -> int:
        begun.set()
        await wait(released)
        return 1

    vitals = Vitals()
    work = QueueWork(activities=[slow], workflows=[ChoreWorkflow], slots=1)
    async with create_worker(client, QUEUE, work, vitals):
        runs = [
            await client.start_workflow(ChoreWorkflow.run, SLOW, id=f"slow-{uuid4()}", task_queue=QUEUE)
            for _ in range(1 + BEHIND)
        ]
        await begun.wait()
        await waits(client)
        yield vitals
        released.set()
        assert await asyncio.gather(*(run.result() for run in runs)) == [1] * len(runs)


async def waits(client: Client) -> None:
    """Wait until the server tells of all that is behind."""
    while not (known := await backlog(client, QUEUE, ACTIVITY_TASKS)) or known.waiting < BEHIND:  # noqa: ASYNC110 - the answer is elsewhere
        await asyncio.sleep(0.02)


async def judged(
    client: Client, pulse: Pulse, queue: str = QUEUE, kind: "TaskQueueType.ValueType" = ACTIVITY_TASKS
) -> int | None:
    """Watch for long, and return how much waited when the worker stood still; None: it never did."""
    try:
        async with asyncio.timeout(FOR_LONG):
            return await stands_still(pulse, partial(backlog, client, queue, kind), PATIENCE)
    except TimeoutError:
        return None


async def test_worker_whose_slots_are_all_taken_by_what_never_ends_stands_still(client: Client) -> None:
    async def forever(released: asyncio.Event) -> None:
        await released.wait()

    async with occupied(client, forever) as vitals:
        assert await judged(client, vitals.activities) == BEHIND


async def test_worker_whose_slots_are_all_taken_by_what_takes_long_and_heartbeats_is_left_alone(
    client: Client,
) -> None:
    async def work(released: asyncio.Event) -> None:
        while not released.is_set():
            activity.heartbeat()
            await asyncio.sleep(0.05)

    async with occupied(client, work) as vitals:
        assert await judged(client, vitals.activities) is None


@pytest.mark.parametrize("kind", [WORKFLOW_TASKS, ACTIVITY_TASKS])
async def test_worker_that_has_nothing_to_do_is_left_alone(client: Client, kind: "TaskQueueType.ValueType") -> None:
    @activity.defn(name=SLOW.activity)
    async def never() -> int:
        raise AssertionError("nobody asks for it")

    queue = f"idle-{uuid4()}"
    async with create_worker(client, queue, QueueWork(activities=[never], workflows=[ChoreWorkflow])):
        assert await judged(client, Pulse(), queue, kind) is None
