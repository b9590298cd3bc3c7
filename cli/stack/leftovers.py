"""The record of our children, and the end of those that a killed stack left behind."""

import contextlib
import signal

import psutil

from cli.stack import json_file
from cli.stack.ending import end
from cli.stack.folder import DataFolder

_SAME_START_SECONDS = 2.0
"""A process that started within this of the recorded time is the recorded one, not a later one with its number."""


class ProcessRecord:
    """`processes.json`: name, number and start of every child that runs. Written before anything can go wrong."""

    def __init__(self, folder: DataFolder) -> None:
        self._path = folder.processes
        self._running: dict[str, dict[str, float]] = {}

    def add(self, name: str, pid: int) -> None:
        """Record a child that has just started; one that is gone already is left out."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self._running[name] = {"pid": pid, "started": psutil.Process(pid).create_time()}
        json_file.write(self._path, self._running)

    def clear(self) -> None:
        """Forget everything, once nothing is left running."""
        self._path.unlink(missing_ok=True)


def end_leftovers(folder: DataFolder, grace: float = 5.0) -> list[str]:
    """End what an earlier stack left running in this folder, and return the names. Call with the folder locked."""
    found = _recorded(folder)
    servers = {"postgres", "temporal"}
    end([process for name, process in found.items() if name not in servers], signal.SIGTERM, grace)
    end([process for name, process in found.items() if name in servers], signal.SIGINT, grace)
    folder.processes.unlink(missing_ok=True)
    folder.description.unlink(missing_ok=True)
    return list(found)


def _recorded(folder: DataFolder) -> dict[str, psutil.Process]:
    found: dict[str, psutil.Process] = {}
    for name, entry in json_file.read(folder.processes).items():
        process = _same_process(entry)
        if process:
            found[name] = process
    return found


def _same_process(entry: object) -> psutil.Process | None:
    match entry:
        case {"pid": int(pid), "started": float(started)}:
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if abs(process.create_time() - started) < _SAME_START_SECONDS:
                    return process
    return None
