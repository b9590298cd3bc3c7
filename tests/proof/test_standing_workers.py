"""A worker that lives and does nothing ends itself; the next one does what it has left, and stays when all is done."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from contracts.queues import TaskQueue
from domain.order_states import OrderStatus
from tests.support.lone_world import LoneWorld, lone_world
from tests.support.postgres import PostgresForTests
from tests.support.reconciling import require_every_penny
from tests.support.temporal import plain_client, running_temporal
from workers.wiring import WORK, create_worker

pytestmark = [pytest.mark.proof, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
BROKEN = ("-m", "tests.support.broken_worker")
SOUND = ("-P", "-m", "cli.main", "worker", "--queue", TaskQueue.ORDERS)
ORDERS = 6
PATIENCE = 6
"""More than the 5 s for which the server repeats what it has said of a queue."""
SOON = 60


@pytest.fixture(scope="module")
async def lone(postgres: PostgresForTests) -> AsyncIterator[LoneWorld]:
    async with running_temporal() as environment, lone_world(postgres, await plain_client(environment)) as lone:
        yield lone


@asynccontextmanager
async def worker(lone: LoneWorld, *command: str) -> AsyncIterator[Process]:
    """Run a worker as a program that nobody starts again."""
    environment = os.environ | lone.environment | {"EVERORDER_WORKER_PATIENCE": str(PATIENCE)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, env=environment, cwd=ROOT, stdout=PIPE, stderr=STDOUT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.mark.parametrize(
    ("way", "code", "words"),
    [
        ("never_ends", os.EX_SOFTWARE, ("worker_gives_up", "reason=stands_still", "queue=orders")),
        ("library_fails", os.EX_SOFTWARE, ("worker_gives_up", "reason=failed", "error=RuntimeError")),
        ("blocks", 1, ("Timeout (0:00:06)!", "broken_worker.py", "in blocks")),
    ],
)
async def test_worker_that_can_not_go_on_ends_itself_and_its_orders_are_placed_by_the_next(
    lone: LoneWorld, way: str, code: int, words: tuple[str, ...]
) -> None:
    world = lone.world
    sku = await world.goods(stock=ORDERS)
    orders = [world.order_of(await world.cart((sku, 1))) for _ in range(ORDERS)]
    for order in orders:
        await world.client.resume(order)

    async with asyncio.timeout(SOON), worker(lone, *BROKEN, way) as broken:
        said = (await broken.communicate())[0].decode()
    assert broken.returncode == code
    assert [word for word in words if word not in said] == []
    assert await world.stock(sku) == (ORDERS, 0)

    async with asyncio.timeout(SOON), AsyncExitStack() as stack:
        for queue in (TaskQueue.PAYMENTS, TaskQueue.NOTIFICATIONS):
            await stack.enter_async_context(create_worker(world.temporal, queue, WORK[queue](world.resources)))
        sound = await stack.enter_async_context(worker(lone, *SOUND))
        assert {(await world.place(order)).status for order in orders} == {OrderStatus.PLACED}
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sound.wait(), 2 * PATIENCE)
        sound.send_signal(signal.SIGTERM)
        assert "worker_gives_up" not in (await sound.communicate())[0].decode()
        assert sound.returncode == 0
    assert await world.stock(sku) == (0, 0)
    await require_every_penny(world)
