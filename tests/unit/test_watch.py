"""When a worker is said to stand still, and when not."""

import asyncio
import itertools
from collections.abc import Callable, Iterator

import pytest

from clients.backlogs import Backlog
from workers.signs_of_life import Pulse
from workers.watch import stands_still

PATIENCE = 0.1
FOR_LONG = 5 * PATIENCE

Seen = Backlog | None


async def judged(pulse: Pulse, sights: Iterator[Seen]) -> int | None:
    """Watch for long, and return how much waited when the worker stood still; None: it never did."""

    async def look() -> Seen:
        return next(sights)

    try:
        async with asyncio.timeout(FOR_LONG):
            return await stands_still(pulse, look, PATIENCE)
    except TimeoutError:
        return None


async def test_worker_that_ends_nothing_and_asks_for_nothing_while_work_waits_stands_still() -> None:
    assert await judged(Pulse(), itertools.repeat(Backlog(waiting=7, asked_at=1.0))) == 7


@pytest.mark.parametrize(
    "sights",
    [
        pytest.param(lambda: itertools.repeat(Backlog(waiting=0, asked_at=1.0)), id="nothing_waits"),
        pytest.param(lambda: itertools.repeat(None), id="the_server_is_away"),
        pytest.param(lambda: (Backlog(waiting=7, asked_at=time) for time in itertools.count(1.0)), id="it_asks"),
        pytest.param(
            lambda: itertools.cycle([*[Backlog(waiting=7, asked_at=1.0)] * 4, None]), id="the_server_comes_and_goes"
        ),
    ],
)
async def test_worker_of_which_nothing_bad_is_known_is_left_alone(sights: Callable[[], Iterator[Seen]]) -> None:
    assert await judged(Pulse(), sights()) is None


async def test_worker_that_ends_something_now_and_then_is_left_alone() -> None:
    pulse = Pulse()

    async def work() -> None:
        while True:
            await asyncio.sleep(PATIENCE / 3)
            pulse.beat()

    working = asyncio.create_task(work())
    assert await judged(pulse, itertools.repeat(Backlog(waiting=7, asked_at=1.0))) is None
    working.cancel()
