"""The logs of the children: one file each, appended to over restarts."""

import os
from pathlib import Path
from typing import IO

_LARGE = 10 * 1024 * 1024


def open_log(path: Path) -> IO[bytes]:
    """Open a log to append to; one that has grown large is put aside first."""
    if path.exists() and path.stat().st_size > _LARGE:
        path.replace(path.with_suffix(".log.1"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def last_words(path: Path) -> str:
    """Return the last line of a log."""
    lines = path.read_text(errors="replace").split("\n") if path.exists() else []
    spoken = [line.strip() for line in lines if line.strip()]
    return spoken[-1] if spoken else "it wrote nothing"
