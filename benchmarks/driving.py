"""Many at once: how each kind is driven, and how long each took."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from uuid import uuid4

import httpx2
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDConflictPolicy

from benchmarks.buying import Bought, basket, buy
from benchmarks.errors import BenchError
from benchmarks.workflows import ORDERS, Empty, NoopOrder
from clients.orders import WORKFLOW_TASK_TIMEOUT
from contracts.orders import PLACE_UPDATE_ID
from contracts.search_attributes import ORDER_STATUS

_PENDING = TypedSearchAttributes([SearchAttributePair(ORDER_STATUS, "pending")])

Turn = Callable[[], Awaitable[Bought | None]]
"""Does one thing of a kind."""


@dataclass(frozen=True, slots=True)
class Lap:
    """What one measurement of one kind has shown. Times are seconds."""

    seconds: float
    latencies: list[float]
    checkouts: list[float] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Return how many a second."""
        return len(self.latencies) / self.seconds


async def lap(turn: Turn, count: int, concurrency: int) -> Lap:
    """Do `count` turns, `concurrency` of them at a time.

    Raises:
        BenchError: one of them failed; the others are given up.
    """
    latencies: list[float] = []
    bought: list[Bought] = []
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            began = perf_counter()
            done = await turn()
            latencies.append(perf_counter() - began)
            if done is not None:
                bought.append(done)

    began = perf_counter()
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work())
    except* Exception as errors:
        raise BenchError(f"{type(errors.exceptions[0]).__name__}: {errors.exceptions[0]}") from errors
    seconds = perf_counter() - began
    return Lap(seconds, latencies, [one.checkout_seconds for one in bought], [one.order_id for one in bought])


def whole(client: httpx2.AsyncClient, skus: Sequence[str]) -> Turn:
    """Place an order over the REST API."""

    async def turn() -> Bought:
        return await buy(client, basket(skus))

    return turn


def noop(client: Client) -> Turn:
    """Start a no-op order and wait until it is placed, with the options of a real one's start."""

    async def turn() -> None:
        name = str(uuid4())
        start = WithStartWorkflowOperation(
            NoopOrder.run,
            id=f"bench-{name}",
            task_queue=ORDERS,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            task_timeout=WORKFLOW_TASK_TIMEOUT,
            search_attributes=_PENDING,
            memo={"cart_id": name},
            static_summary=f"Order of cart {name}, attempt 1",
        )
        await client.execute_update_with_start_workflow(
            NoopOrder.place, start_workflow_operation=start, id=PLACE_UPDATE_ID
        )

    return turn


def empty(client: Client) -> Turn:
    """Run an empty workflow to its end."""

    async def turn() -> None:
        await client.execute_workflow(
            Empty.run, id=f"bench-{uuid4()}", task_queue=ORDERS, task_timeout=WORKFLOW_TASK_TIMEOUT
        )

    return turn
