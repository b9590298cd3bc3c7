"""Ends a worker that stands still, so that whatever keeps it running starts it anew.

Temporal gives the work of a worker that has died to another, but lets one that lives keep what it has taken. So a
worker that can not go on has to die: one whose event loop is blocked, or that has work waiting and brings nothing to an
end. Nothing is lost by that: every step may be interrupted anywhere.
"""

import asyncio
import faulthandler
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic
from typing import NoReturn

import structlog
from temporalio.client import Client

from clients.backlogs import ACTIVITY_TASKS, WORKFLOW_TASKS, Backlog, backlog
from workers.signs_of_life import Pulse, Vitals
from workers.wiring import QueueWork

log = structlog.get_logger(__name__)

Looks = Callable[[], Awaitable[Backlog | None]]
"""Tells what waits for a worker; None where nobody knows."""

_LOOKS = 8
"""How often one looks while one's patience lasts."""


@asynccontextmanager
async def watching(client: Client, queue: str, work: QueueWork, vitals: Vitals, patience: float) -> AsyncIterator[None]:
    """End the process when its worker of a queue stands still while the block runs. Patience of 0 never ends."""
    views = _views(client, queue, work, vitals) if patience else ()
    async with asyncio.TaskGroup() as watches:  # a watch that fails is no secret
        tasks = [watches.create_task(_watch(queue, pulse, look, patience)) for pulse, look in views]
        yield
        for task in tasks:
            task.cancel()


def _views(client: Client, queue: str, work: QueueWork, vitals: Vitals) -> Iterator[tuple[Pulse, Looks]]:
    """List the kinds of task that a worker takes. What nobody there would take may wait as long as it likes."""
    if work.workflows:
        yield vitals.workflow_tasks, partial(backlog, client, queue, WORKFLOW_TASKS)
    if not work.local:
        yield vitals.activities, partial(backlog, client, queue, ACTIVITY_TASKS)


async def _watch(queue: str, pulse: Pulse, look: Looks, patience: float) -> NoReturn:
    waiting = await stands_still(pulse, look, patience)
    give_up(queue, "stands_still", waiting=waiting, seconds=patience)


async def stands_still(pulse: Pulse, look: Looks, patience: float) -> int:
    """Wait until a worker stands still, and return how much waits for it then.

    It does so when for all this time, at every look, something waited for it, while it ended nothing and asked for
    nothing. A worker that is idle has nothing waiting, one that is busy for long heartbeats, and nothing is said of one
    whose server is away.
    """
    since, asked_at = monotonic(), 0.0
    while True:
        await asyncio.sleep(patience / _LOOKS)
        seen = await look() if pulse.last < since else None
        if seen is None or not seen.waiting or seen.asked_at != asked_at:
            since, asked_at = monotonic(), seen.asked_at if seen else asked_at
        elif monotonic() - since >= patience:
            return seen.waiting


@asynccontextmanager
async def watching_loop(patience: float) -> AsyncIterator[None]:
    """End the process, and tell where each thread is, when its event loop is blocked for so long while the block runs.

    The interpreter's own watchdog does it, which nothing that Python code does can hold up. Patience of 0 never ends.
    """
    task = asyncio.create_task(_rewind(patience)) if patience else None
    try:
        yield
    finally:
        if task:
            task.cancel()
        faulthandler.cancel_dump_traceback_later()


async def _rewind(patience: float) -> NoReturn:
    while True:
        faulthandler.dump_traceback_later(patience, exit=True)
        await asyncio.sleep(patience / _LOOKS)


def give_up(queue: str, reason: str, **more: object) -> NoReturn:
    """End the process at once: what stands still can not be waited for."""
    log.error("worker_gives_up", queue=queue, reason=reason, **more)
    os._exit(os.EX_SOFTWARE)
