"""The supervisor: all children of a stack, started when they are needed, kept alive, and stopped in order."""

import asyncio
import time
from collections.abc import Callable
from itertools import groupby

from cli.stack.child import Child
from cli.stack.folder import DataFolder
from cli.stack.leftovers import ProcessRecord
from cli.stack.process import ProcessSpec


class Supervisor:
    """Starts and keeps children. `on_restart` is called after any child has got a new process."""

    def __init__(self, folder: DataFolder, say: Callable[[str], None], on_restart: Callable[[], None]) -> None:
        self._folder = folder
        self._say = say
        self._on_restart = on_restart
        self._record = ProcessRecord(folder)
        self._children: dict[str, Child] = {}
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def pids(self) -> dict[str, int]:
        """Number the processes that run now, by name."""
        return {name: child.pid for name, child in self._children.items()}

    async def start(self, spec: ProcessSpec) -> float:
        """Start a child, wait until it is ready, and return the seconds that it took.

        Raises:
            StackError: it never became ready.
        """
        began = time.monotonic()
        child = Child(spec, self._folder.log(spec.name), self._started, self._say)
        self._children[spec.name] = child
        child.start().add_done_callback(self._note_failure)
        await child.wait_until_ready()
        return time.monotonic() - began

    async def watch(self) -> None:
        """Wait for ever, or until a child could not be kept alive.

        Raises:
            StackError: why not.
        """
        await asyncio.shield(self._failed)

    async def stop(self) -> None:
        """Stop every child, the last stage first, and those of one stage together."""
        children = sorted(self._children.values(), key=lambda child: child.spec.stage, reverse=True)
        for _, stage in groupby(children, key=lambda child: child.spec.stage):
            await asyncio.gather(*(child.stop() for child in stage))
        self._failed.cancel()
        self._record.clear()

    def _started(self, name: str, pid: int) -> None:
        self._record.add(name, pid)
        self._on_restart()

    def _note_failure(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._failed.done():
            return
        error = task.exception()
        if error:
            self._failed.set_exception(error)
