"""Signs of life of a step that waits for a peer: a dead worker is noticed, and a cancellation arrives, in seconds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity

_PULSE = 1.0


@asynccontextmanager
async def heartbeats() -> AsyncIterator[None]:
    """Heartbeat every second for as long as the block runs; a step that is done sooner costs nothing."""
    pulse = asyncio.create_task(_beat())
    try:
        yield
    finally:
        pulse.cancel()


async def _beat() -> None:
    while True:
        await asyncio.sleep(_PULSE)
        activity.heartbeat()
