"""Logs: one event a line with its fields, from our own code and from libraries alike, and never a person's data.

What a server or a database has said quotes addresses, so an exception is logged as its type and where it was raised,
all the way down its causes, without its words.
"""

import logging
import sys
import traceback
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
_PROCESSORS: list[Processor] = [*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter]
"""One list for good: loggers keep it from their first use on, also when they are configured again."""


def configure_logs(settings: Settings) -> None:
    """Send everything that is logged to standard error: readable, or one JSON object a line."""
    structlog.configure(
        processors=_PROCESSORS,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), sort_keys=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
