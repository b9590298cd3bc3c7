"""How a process of the API stops: first it says so, then it takes nothing more, and what it has begun it finishes."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import structlog

log = structlog.get_logger(__name__)

_STOPS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def drains(begin: Callable[[], None], seconds: float) -> Iterator[None]:
    """Have the first signal to stop `begin` the draining, and stop the server `seconds` later; a second one, at once.

    So whoever leads requests here has time to see in `/readyz` that it should not. Only the main thread of a process
    has signals, and only a server that handles them can be stopped so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    began = False

    def stop_later(number: int, frame: FrameType | None) -> None:
        nonlocal began
        stop = before[signal.Signals(number)]
        if began or seconds == 0:
            stop(number, frame)
        else:
            loop.call_soon_threadsafe(loop.call_later, seconds, stop, number, frame)
        if not began:
            began = True
            loop.call_soon_threadsafe(_begin, begin)

    before = {number: handler for number in _STOPS if callable(handler := signal.getsignal(number))}
    for number in before:
        signal.signal(number, stop_later)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _begin(begin: Callable[[], None]) -> None:
    log.info("api_draining")
    begin()
