"""What is sent to whoever follows an order: server-sent events, as the HTML standard defines them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from time import monotonic

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.order_events.feed import Watch
from api.schemas.orders import TimelineEntry
from db.order_events import AT_ONCE, PlacedEvent
from domain.order_states import ENDED

HEARTBEAT = 15.0
"""Seconds of silence after which a comment is sent, so that nobody in between takes the connection for dead."""

_GRACE = 5.0

_RETRY = b"retry: 2000\n\n"
"""After so many milliseconds a browser asks again by itself where a stream has ended."""
_SILENCE = b": nothing new\n\n"


class EventStream(StreamingResponse):
    """The events of an order, until it is over, `seconds` have passed, or the process is about to stop."""

    media_type = "text/event-stream"

    def __init__(self, watch: Watch, seconds: float) -> None:
        super().__init__(_told(watch, monotonic() + seconds), headers={"X-Accel-Buffering": "no"})
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, to somebody who reads nothing no longer than to others."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds + _GRACE):
                await super().__call__(scope, receive, send)


async def _told(watch: Watch, until: float) -> AsyncIterator[bytes]:
    yield _RETRY
    while (left := until - monotonic()) > 0 and not watch.over:
        events = await watch.take(min(HEARTBEAT, left))
        yield b"".join(map(_written, events)) if events else _SILENCE
        if events and _is_last(events):
            yield b'event: end\ndata: {"reason":"order_over"}\n\n'
            return
    yield b'event: end\ndata: {"reason":"come_back"}\n\n'


def _is_last(events: Sequence[PlacedEvent]) -> bool:
    return events[-1].target in ENDED and len(events) < AT_ONCE


def _written(event: PlacedEvent) -> bytes:
    entry = TimelineEntry.model_validate(event).model_dump_json(by_alias=True, exclude={"note"})
    return f"id: {event.id}\ndata: {entry}\n\n".encode()
