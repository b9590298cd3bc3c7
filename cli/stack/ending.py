"""Making sure that processes are gone."""

import contextlib
import os
import signal
import time
from collections.abc import Sequence

import psutil

_POLL = 0.01


def kill_group(pid: int) -> None:
    """Kill what is left of the group that a child led, itself included."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def end(processes: Sequence[psutil.Process], number: signal.Signals, grace: float) -> None:
    """Send a signal to processes that are not our children, and kill with their groups those that stay."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
    _wait(processes, grace)
    for process in processes:
        kill_group(process.pid)
    _wait(processes, grace)


def _wait(processes: Sequence[psutil.Process], seconds: float) -> None:
    limit = time.monotonic() + seconds
    while any(map(_runs, processes)) and time.monotonic() < limit:
        time.sleep(_POLL)


def _runs(process: psutil.Process) -> bool:
    """Tell whether it can still do anything: one that nobody has waited for yet can not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except (psutil.NoSuchProcess, FileNotFoundError):
        return False
