"""A worker of the queue `orders` that breaks in the way that a test has named, as soon as it has something to do.

It is run as a program, `python -m tests.support.broken_worker WAY`. It takes two workflow tasks at once, so that few
orders are enough to have some wait.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from temporalio import activity
from temporalio.worker import _activity as sdk

from contracts.orders import OrderSnapshot, PlaceOrder
from contracts.queues import TaskQueue
from workers import wiring
from workers.main import run_work
from workers.wiring import QueueWork, Resources, WorkOf

Step = Callable[..., Any]


@activity.defn(name="orders.open")
async def never_ends(_request: PlaceOrder) -> OrderSnapshot:
    """Wait for what never comes, and take no cancellation for an answer."""
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


@activity.defn(name="orders.open")
async def blocks(_request: PlaceOrder) -> OrderSnapshot:
    """Keep the event loop, as code does that computes for ever or waits for a lock of a thread."""
    time.sleep(3600)  # noqa: ASYNC251 - that is what is wrong with it
    raise AssertionError("somebody has waited for an hour")


def _instead(step: Step) -> WorkOf:
    def work(resources: Resources) -> QueueWork:
        orders = wiring.order_work(resources)
        others = [each for each in orders.activities if each.__name__ != "open"]
        return replace(orders, activities=[*others, step])

    return work


def _fail(*_: object) -> None:
    raise RuntimeError("the library is broken")


def main(way: str) -> None:
    """Work until it breaks."""
    wiring._TASKS = 2
    work: WorkOf = wiring.order_work
    match way:
        case "never_ends":
            work = _instead(never_ends)
        case "blocks":
            work = _instead(blocks)
        case "library_fails":
            sdk._ActivityWorker._handle_start_activity_task = _fail  # type: ignore[method-assign,assignment]
    run_work({TaskQueue.ORDERS: work})


if __name__ == "__main__":
    main(sys.argv[1])
