"""Logs: one event a line with its fields, from our own code and from libraries alike, and never a person's data.

What a server or a database has said quotes addresses, so an exception is logged as its type and where it was raised,
all the way down its causes, without its words.
"""

import logging
import sys
import traceback
from contextlib import suppress
from types import TracebackType

import structlog
from structlog.typing import ExcInfo, Processor

from settings import Settings

_QUIET = ("aiosmtplib", "httpcore2", "httpx2", "stripe", "mail.log")


def _without_words(exc_info: ExcInfo) -> str:
    """Write an exception and its causes as types and places."""
    _, error, trace = exc_info
    parts: list[str] = []
    current: BaseException | None = error
    while current is not None:
        parts.append(f"{type(current).__name__}{_place(trace)}")
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        trace = current.__traceback__ if current else None
    return " <- ".join(parts)


def _place(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace)
    return f" at {frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.ExceptionRenderer(_without_words),
]


class _StandardError:
    """Where our own events end: without `logging`, which takes twice as long for the line of a request."""

    def __init__(self, name: str) -> None:
        self.name = name

    def write(self, line: str) -> None:
        """Write one line. Nothing fails because nobody reads it any more."""
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{line}\n")

    debug = info = warning = error = critical = write


def configure_logs(settings: Settings) -> None:
    """Send everything that is logged to standard error: readable, or one JSON object a line."""
    level = settings.log_level.upper()
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), sort_keys=False)
    )
    structlog.configure(
        processors=[*_SHARED, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_StandardError,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
