"""A worker of the queue `payments` that kills itself with SIGKILL at the points that a test has named.

What is named is a file for each order, which says at which point the worker dies for it, once: `before capture`,
`after capture` (the provider has done it, nobody here knows), `committed capture` (the books know, the workflow does
not). It is run as a program, `python -m tests.support.mortal_payments FOLDER`, and started again whenever it has died.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.queues import TaskQueue
from db import payments
from providers.stripe import StripeProvider
from workers.main import run_work
from workers.wiring import payment_work

Call = Callable[..., Awaitable[Any]]

_ROOT = Path(__file__).parents[2]


class Deaths:
    """The points at which the worker has to die, kept in a folder that outlives it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def order(self, order_id: object, point: str) -> None:
        """Have the worker die when it comes to this point of an order."""
        (self._folder / str(order_id)).write_text(point)

    @property
    def left(self) -> set[str]:
        """Name the orders for which nobody has died yet."""
        return {file.name for file in self._folder.iterdir()}

    def come_to(self, key: str, moment: str) -> None:
        """Die, if this is a point that was named; it is so no more afterwards."""
        order_id, operation, *_ = key.split(":")
        named = self._folder / order_id
        if named.exists() and named.read_text() == f"{moment} {operation}":
            named.unlink()
            os.kill(os.getpid(), signal.SIGKILL)


def work(folder: Path) -> None:
    """Work on the queue `payments`, mortally."""
    deaths = Deaths(folder)
    for operation in ("authorise", "capture", "void", "refund"):
        setattr(StripeProvider, operation, _mortal(deaths, getattr(StripeProvider, operation)))
    finish = payments.finish

    async def finish_and_die(session: AsyncSession, key: str, *how: Any, **more: Any) -> bool:
        finished = await finish(session, key, *how, **more)
        deaths.come_to(key, "committed")  # each statement of a payment step is a transaction of its own
        return finished

    payments.finish = finish_and_die
    run_work({TaskQueue.PAYMENTS: lambda resources: replace(payment_work(resources), slots=1)})


def _mortal(deaths: Deaths, ask: Call) -> Call:
    async def ask_and_die(provider: StripeProvider, key: str, *what: Any, **more: Any) -> Any:
        deaths.come_to(key, "before")
        answer = await ask(provider, key, *what, **more)
        deaths.come_to(key, "after")
        return answer

    return ask_and_die


@asynccontextmanager
async def mortal_payments(folder: Path, environment: Mapping[str, str], *, workers: int = 3) -> AsyncIterator[Deaths]:
    """Run workers, each again and again, until the block ends.

    Each does one thing at a time, so that its death is the death of that alone.
    """
    command = (sys.executable, "-P", "-m", __name__, str(folder))
    own = {"PYTHONPATH": str(_ROOT)}  # the tests are no part of what is installed
    running: dict[int, asyncio.subprocess.Process] = {}

    async def run(place: int) -> None:
        while True:
            running[place] = await asyncio.create_subprocess_exec(*command, env={**os.environ, **environment, **own})
            assert await running[place].wait() == -signal.SIGKILL

    reviving = asyncio.gather(*(run(place) for place in range(workers)))
    try:
        yield Deaths(folder)
        assert not reviving.done(), reviving.exception()
    finally:
        reviving.cancel()
        await asyncio.gather(reviving, return_exceptions=True)
        for worker in running.values():
            if worker.returncode is None:
                worker.terminate()
            await worker.wait()


if __name__ == "__main__":
    work(Path(sys.argv[1]))
