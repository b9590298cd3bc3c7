"""Making sure that processes are gone."""

import contextlib
import os
import signal
import time
from collections.abc import Collection, Iterator, Sequence

import psutil

_POLL = 0.01


def kill_group(pid: int) -> None:
    """Kill what is left of the group that a child led, itself included."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def end(processes: Sequence[psutil.Process], number: signal.Signals, grace: float) -> None:
    """Send a signal to processes that are not our children, kill what is left of their groups, and see it gone."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
    _wait(processes, grace)
    left = [*processes, *_members({process.pid for process in processes})]
    for process in processes:
        kill_group(process.pid)
    _wait(left, grace)


def _members(groups: Collection[int]) -> Iterator[psutil.Process]:
    """Find the processes of groups, by the numbers of those that led them."""
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) in groups:
                yield process


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
