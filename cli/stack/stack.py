"""The story of one stack: what is started in which order, what is told to other programs, and the end."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from cli.stack import cluster, json_file, postgres, programs
from cli.stack.process import ProcessSpec
from cli.stack.report import Report
from cli.stack.supervisor import Supervisor
from cli.stack.task import run_to_end
from cli.stack.temporal import temporal
from cli.stack.wiring import ROLE, Wiring

Demo = Callable[[Wiring, Report], Awaitable[None]]


class Stack:
    """Brings everything up, keeps `stack.json` true, and takes everything down."""

    def __init__(self, wiring: Wiring, report: Report) -> None:
        self._wiring = wiring
        self._report = report
        self._described = False
        self._supervisor = Supervisor(wiring.folder, report.say, self._describe)

    async def run(self, demo: Demo | None) -> None:
        """Bring everything up, place the demo order, and stay up until cancelled.

        Raises:
            ExceptionGroup: with a `StackError`: something could not be started or kept alive.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._supervisor.watch())
            group.create_task(self._bring_up(demo))

    async def stop(self) -> None:
        """Take everything down; nothing of it is left running."""
        self._described = False
        self._wiring.folder.description.unlink(missing_ok=True)
        await self._supervisor.stop()
        self._wiring.folder.environment.unlink(missing_ok=True)

    async def _bring_up(self, demo: Demo | None) -> None:
        began = time.monotonic()
        json_file.write(self._wiring.folder.environment, self._wiring.variables())
        with self._report.starting():
            await self._start_servers()
            await self._start_programs()
            if demo:
                await demo(self._wiring, self._report)
        self._described = True
        self._describe()
        self._report.ready(self._wiring, time.monotonic() - began)

    async def _start_servers(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start_postgres())
            group.create_task(self._start(temporal(self._wiring), f"Web UI {self._wiring.ui_url}"))
            group.create_task(self._start(programs.mail(self._wiring), f"port {self._wiring.mail}"))

    async def _start_postgres(self) -> None:
        folder = self._wiring.folder.postgres
        await asyncio.to_thread(cluster.create, folder, ROLE, self._wiring.database_password)
        await self._start(postgres.postgres(self._wiring), f"port {self._wiring.postgres}")
        await postgres.create_databases(self._wiring)

    async def _start_programs(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start(programs.sandbox(self._wiring), self._wiring.sandbox_url))
            await self._run("Migrations", "migrate")
            group.create_task(self._run("Demo catalogue", "seed"))
            group.create_task(self._start(programs.api(self._wiring), self._wiring.api_url))
            for queue in programs.QUEUES:
                group.create_task(self._start(programs.worker(self._wiring, queue), f"task queue {queue}"))

    async def _start(self, spec: ProcessSpec, where: str) -> None:
        seconds = await self._supervisor.start(spec)
        self._report.started(spec.title, seconds, where)

    async def _run(self, title: str, command: str) -> None:
        log = self._wiring.folder.log(command)
        seconds = await run_to_end(title, programs.everorder(command), self._wiring.environment(), log)
        self._report.started(title, seconds, f"everorder {command}")

    def _describe(self) -> None:
        if self._described:
            json_file.write(self._wiring.folder.description, self._wiring.description(self._supervisor.pids))
