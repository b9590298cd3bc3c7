"""One child: started, started again whenever it dies, and stopped."""

import asyncio
import contextlib
import signal
import time
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections import deque
from collections.abc import Callable
from pathlib import Path

from cli.stack.ending import kill_group
from cli.stack.errors import StackError
from cli.stack.log import last_words, open_log
from cli.stack.process import ProcessSpec, switch_to

_RAPID_SECONDS = 3.0
"""A child that lived for less than this never did anything useful."""
_RAPID_WINDOW = 30.0
_RAPID_LIMIT = 10
_RAPID_LIMIT_AT_FIRST = 3
"""Before it was ever ready, it is more likely misconfigured than unlucky."""
_LONGEST_PAUSE = 2.0
_READY_POLL = 0.05
_READY_LIMIT = 60.0


class Child:
    """Keeps one process alive. `on_start` hears of every process that is started, `say` of every restart."""

    def __init__(
        self, spec: ProcessSpec, log: Path, on_start: Callable[[str, int], None], say: Callable[[str], None]
    ) -> None:
        self.spec = spec
        self.pid = 0
        self._log = log
        self._on_start = on_start
        self._say = say
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self._was_ready = False
        self._rapid_deaths: deque[float] = deque(maxlen=_RAPID_LIMIT)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> asyncio.Task[None]:
        """Start it and keep it alive. The task ends when it was stopped, or raises `StackError` when it gives up."""
        self._task = asyncio.create_task(self._keep_alive(), name=self.spec.name)
        return self._task

    async def wait_until_ready(self) -> None:
        """Wait until it answers.

        Raises:
            StackError: it did not within a minute.
        """
        try:
            async with asyncio.timeout(_READY_LIMIT):
                while not (self._process and await self.spec.ready()):  # noqa: ASYNC110 - the answer is elsewhere
                    await asyncio.sleep(_READY_POLL)
        except TimeoutError:
            raise StackError(f"{self.spec.title} was not ready after {_READY_LIMIT:.0f} s; see {self._log}") from None
        self._was_ready = True

    async def stop(self) -> None:
        """Ask it to end, kill it when it does not, and leave nothing of it behind."""
        self._stopping.set()
        if self._task is None:
            return
        self._signal()
        await asyncio.wait([self._task], timeout=self.spec.grace)
        if not self._task.done() and self._process:
            kill_group(self._process.pid)
        with contextlib.suppress(StackError):
            await self._task
        await asyncio.to_thread(self.spec.sweep)

    async def _keep_alive(self) -> None:
        how_it_ended = ""
        while not self._stopping.is_set():
            began = time.monotonic()
            how_it_ended = await self._live_once(how_it_ended)
            if not self._stopping.is_set():
                self._count_death(time.monotonic() - began, how_it_ended)
                await self._pause()

    async def _live_once(self, predecessor_ended: str) -> str:
        """Run the process until it ends, and return how it did."""
        await asyncio.to_thread(self.spec.sweep)
        process = await self._spawn()
        self._process, self.pid = process, process.pid
        self._on_start(self.spec.name, process.pid)
        if self._stopping.is_set():
            self._signal()
        if predecessor_ended:
            self._say(f"{self.spec.title} {predecessor_ended}: started again as pid {process.pid}")
        code = await process.wait()
        self._process = None
        kill_group(process.pid)
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    async def _spawn(self) -> Process:
        try:
            with open_log(self._log) as log:
                return await asyncio.create_subprocess_exec(
                    *self.spec.command,
                    stdin=DEVNULL,
                    stdout=log,
                    stderr=STDOUT,
                    env={**self.spec.environment},
                    cwd=self.spec.folder,
                    umask=self.spec.umask,
                    start_new_session=True,
                    **switch_to(self.spec.user),
                )
        except OSError as error:
            raise StackError(f"{self.spec.title} can not be started: {error}") from None

    def _signal(self) -> None:
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(self.spec.stop_signal)

    def _count_death(self, lived: float, how: str) -> None:
        now = time.monotonic()
        if lived > _RAPID_SECONDS:
            self._rapid_deaths.clear()
            return
        self._rapid_deaths.append(now)
        recent = sum(now - death < _RAPID_WINDOW for death in self._rapid_deaths)
        if recent >= (_RAPID_LIMIT if self._was_ready else _RAPID_LIMIT_AT_FIRST):
            raise StackError(
                f"{self.spec.title} {how}, {recent} times in a row: {last_words(self._log)} (see {self._log})"
            )

    async def _pause(self) -> None:
        """Wait before the next start: not at all after a first death, longer with each rapid one."""
        deaths = len(self._rapid_deaths)
        pause = 0 if deaths < 2 else min(0.05 * 2**deaths, _LONGEST_PAUSE)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), pause)
