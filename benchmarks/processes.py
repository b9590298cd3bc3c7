"""Processes that a benchmark starts: waited for until they are ready, and ended whatever happens."""

import asyncio
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from benchmarks.errors import BenchError

_ENDS_WITHIN = 40.0
_LOOK = 0.1


@asynccontextmanager
async def ending(process: Process, stop: signal.Signals = signal.SIGTERM) -> AsyncIterator[Process]:
    """End a process when this ends, however that comes about; kill it where it does not end by itself."""
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(stop)
        try:
            async with asyncio.timeout(_ENDS_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def until_ready(
    process: Process,
    ready: Callable[[], Awaitable[bool]],
    title: str,
    *,
    within: float,
    last_words: Callable[[], str] = str,
) -> None:
    """Wait until a process answers.

    Raises:
        BenchError: it has ended, or takes longer than that.
    """
    try:
        async with asyncio.timeout(within):
            while not await ready():
                if process.returncode is not None:
                    raise BenchError(f"{title} did not start. {last_words()}".rstrip())
                await asyncio.sleep(_LOOK)
    except TimeoutError:
        raise BenchError(f"{title} did not start in {within:.0f} s. {last_words()}".rstrip()) from None
