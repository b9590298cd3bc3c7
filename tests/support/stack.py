"""A whole `everorder dev` for tests: every process of it for real, on free ports, in a folder of its own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import psutil

from cli.stack import ports
from cli.stack.folder import DataFolder
from cli.stack.health import answers
from cli.stack.temporal import temporal_program
from clients.connection import connect_to
from db.engine import create_engine
from tests.support.sandbox import SECRET_KEY, SandboxForTests
from tests.support.shop import Shop
from tests.support.world import World, open_world

EVERORDER = (sys.executable, "-P", "-m", "cli.main")
_STARTS_WITHIN = 60.0
_ENDS_WITHIN = 40.0
_POLL = 0.02


class Said(NamedTuple):
    """How a command ended, and what it printed."""

    code: int | None
    output: str
    errors: str


class RunningStack:
    """A running stack. Processes go by their names in `stack.json`."""

    def __init__(self, folder: Path, process: "subprocess.Popen[bytes]") -> None:
        self.folder = folder
        self.process = process
        self._killed: dict[str, int] = {}

    @property
    def told(self) -> dict[str, Any]:
        """What `stack.json` tells other programs."""
        told: dict[str, Any] = json.loads((self.folder / "stack.json").read_text())
        return told

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes a program talk to this stack."""
        wired: dict[str, str] = json.loads((self.folder / "environment.json").read_text())
        return {**os.environ, **wired, "COLUMNS": "200"}

    @property
    def api_url(self) -> str:
        return str(self.told["api_url"])

    @property
    def token(self) -> str:
        return str(self.told["service_token"])

    @property
    def sandbox(self) -> SandboxForTests:
        """The payment server, to have it misbehave."""
        port = self.environment["EVERORDER_STRIPE_API_BASE"].rpartition(":")[2]
        return SandboxForTests(str(self.told["sandbox_database_url"]), int(port))

    def pid(self, name: str) -> int:
        return int(self.told["processes"][name])

    async def kill(self, name: str) -> float:
        """Kill a process that has not been killed yet with SIGKILL; return when, by the monotonic clock."""
        pid = self._killed[name] = await self.alive(name)
        os.kill(pid, signal.SIGKILL)
        return time.monotonic()

    async def alive(self, name: str) -> int:
        """Wait until a process that was killed has a successor, and return its pid. Systems give pids out again."""
        while (pid := self.pid(name)) == self._killed.get(name):  # noqa: ASYNC110 - the answer is in a file
            await asyncio.sleep(_POLL)
        return pid

    @asynccontextmanager
    async def hanging(self, name: str) -> AsyncIterator[None]:
        """Hold a process still, as a server is that hangs: it takes connections and answers none."""
        pid = await self.alive(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @asynccontextmanager
    async def away(self, name: str) -> AsyncIterator[None]:
        """Have a process be dead, with all that it had started; who would start it again is held still meanwhile."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            started = psutil.Process(await self.alive(name)).children(recursive=True)
            await self.kill(name)
            await asyncio.to_thread(psutil.wait_procs, started, _ENDS_WITHIN)
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)
            await self.alive(name)

    async def rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Ask the shop's database."""
        return await _rows(str(self.told["database_url"]), query, *arguments)

    async def sandbox_rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Ask the payment server's own database, which the shop can not read."""
        return await _rows(str(self.told["sandbox_database_url"]), query, *arguments)

    async def everorder(self, *arguments: str) -> Said:
        """Run a command of ours against this stack."""
        return await _run(*EVERORDER, *arguments, environment=self.environment)

    async def temporal(self, *arguments: str) -> Said:
        """Run Temporal's own command against this stack, as an operator does."""
        own = {name: value for name, value in self.environment.items() if not name.startswith("TEMPORAL_")}
        environment = {**own, "TEMPORAL_ADDRESS": str(self.told["temporal_address"])}
        return await _run(temporal_program(), *arguments, environment=environment)

    async def broken(self, *, settled: bool = True) -> dict[str, list[dict[str, Any]]]:
        """Audit, and return the rows that break an invariant by the name of the check."""
        said = await self.everorder("audit", "--json", "--recheck", "20", *(["--settled"] if settled else []))
        report = json.loads(said.output)
        assert report["settled"] is settled
        found = [check for invariant in report["invariants"] for check in invariant["checks"]]
        assert said.code == (0 if report["ok"] else 1)
        return {check["name"]: check["rows"] for check in found if check["broken"]}

    @asynccontextmanager
    async def another_api(self) -> AsyncIterator[str]:
        """Run one more API process beside the stack's own, and give its address."""
        [port] = ports.remembered(DataFolder(self.folder), "another-api").values()
        url = f"http://127.0.0.1:{port}"
        command = [*EVERORDER, "api", "--port", str(port)]
        with (self.folder / "logs" / "another-api.log").open("a") as log:
            process = await asyncio.create_subprocess_exec(*command, env=self.environment, stdout=log, stderr=log)
        try:
            async with asyncio.timeout(_STARTS_WITHIN):
                while not await answers(f"{url}/readyz")():  # noqa: ASYNC110 - it is another process that gets ready
                    await asyncio.sleep(_POLL)
            yield url
        finally:
            process.terminate()
            await process.wait()

    @asynccontextmanager
    async def world(self) -> AsyncIterator[World]:
        """Look at orders, stock and money of this stack from inside, and put goods on sale."""
        engine = create_engine(str(self.told["database_url"]))
        temporal = await connect_to(str(self.told["temporal_address"]), "default", lazy=True)
        try:
            async with open_world(Shop(engine), temporal, self.sandbox.url, SECRET_KEY) as world:
                yield world
        finally:
            await engine.dispose()


@contextmanager
def running_stack(folder: Path) -> Iterator[RunningStack]:
    """Start a stack, wait until it is ready, and end it as Ctrl-C would."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [*EVERORDER, "dev", "--data-dir", str(folder), "--no-demo"]
    command += ["--port", "0", "--temporal-port", "0", "--ui-port", "0"]
    with (folder / "said").open("w") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        try:
            _wait_for(folder / "stack.json", process)
            yield RunningStack(folder, process)
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(_ENDS_WITHIN) == 0, (folder / "said").read_text()


def _wait_for(file: Path, process: "subprocess.Popen[bytes]") -> None:
    limit = time.monotonic() + _STARTS_WITHIN
    while not file.exists():
        assert process.poll() is None, "the stack has ended"
        assert time.monotonic() < limit, "the stack does not get ready"
        time.sleep(_POLL)


async def _rows(url: str, query: str, *arguments: object) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query, *arguments)]
    finally:
        await connection.close()


async def _run(*command: str, environment: Mapping[str, str]) -> Said:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=pipe, stderr=pipe)
    output, errors = await process.communicate()
    return Said(process.returncode, output.decode(), errors.decode())
