"""`everorder dev` as a user starts, kills and stops it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import psutil
import pytest

from cli.stack.health import succeeds
from cli.stack.temporal import temporal_program

STARTS_WITHIN = 60
NAMES = [
    "postgres",
    "temporal",
    "sandbox",
    "mail",
    "api",
    "worker-orders",
    "worker-payments",
    "worker-notifications",
    "worker-inventory",
    "worker-maintenance",
]


class Dev:
    """A running `everorder dev`."""

    def __init__(self, folder: Path, process: "subprocess.Popen[bytes]") -> None:
        self.folder = folder
        self.process = process

    @property
    def stack(self) -> dict[str, Any]:
        stack: dict[str, Any] = json.loads((self.folder / "stack.json").read_text())
        return stack

    @property
    def pids(self) -> dict[str, int]:
        pids: dict[str, int] = self.stack["processes"]
        return pids

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=40)

    @property
    def said(self) -> str:
        return (self.folder.parent / "said").read_text()


@contextmanager
def running(folder: Path) -> Iterator[Dev]:
    """Start a stack on ports of its own, and wait until it says that it is ready."""
    command = [sys.executable, "-P", "-m", "cli.main", "dev", "--data-dir", str(folder), "--no-demo"]
    command += ["--port", "0", "--temporal-port", "0", "--ui-port", "0"]
    (folder / "stack.json").unlink(missing_ok=True)
    with (folder.parent / "said").open("w") as said, subprocess.Popen(command, stdout=said, stderr=said) as process:
        dev = Dev(folder, process)
        until(lambda: (folder / "stack.json").exists() or process.poll() is not None, STARTS_WITHIN)
        assert process.poll() is None, dev.said
        try:
            yield dev
        finally:
            process.terminate()
            process.wait(timeout=40)


def until(condition: Callable[[], bool], seconds: float = 10) -> float:
    """Wait for a condition and return how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.005)
    return time.monotonic() - began


def gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    with running(tmp_path_factory.mktemp("stack") / "data") as dev:
        yield dev


async def answers(stack: dict[str, Any], name: str) -> bool:
    """Tell whether a child does its work at the address that `stack.json` gave before it was killed."""
    match name:
        case "postgres":
            try:
                connection = await asyncpg.connect(stack["database_url"], timeout=2)
            except (OSError, TimeoutError, asyncpg.PostgresError):
                return False
            await connection.close()
            return True
        case "temporal":
            question = ("operator", "namespace", "describe", "default", "--address", stack["temporal_address"])
            return await succeeds(temporal_program(), *question)()
        case "api":
            try:
                async with httpx2.AsyncClient(trust_env=False) as client:
                    return (await client.get(f"{stack['api_url']}/readyz")).status_code == 200
            except httpx2.HTTPError:
                return False
    return True


async def until_answers(dev: Dev, stack: dict[str, Any], name: str) -> None:
    limit = time.monotonic() + 20
    while not await answers(stack, name):
        assert time.monotonic() < limit, dev.said


@pytest.mark.parametrize("name", NAMES)
async def test_killed_child_comes_back_where_it_was(dev: Dev, name: str) -> None:
    before, pid = dev.stack, dev.pids[name]
    os.kill(pid, signal.SIGKILL)
    restarted = until(lambda: dev.pids[name] != pid)
    await until_answers(dev, before, name)
    assert psutil.Process(dev.pids[name]).is_running()
    assert {**dev.stack, "processes": {}} == {**before, "processes": {}}
    others = {other: pid for other, pid in dev.pids.items() if other != name}
    assert others == {other: pid for other, pid in before["processes"].items() if other != name}
    until(lambda: f"was ended by SIGKILL: started again as pid {dev.pids[name]}" in dev.said)
    assert restarted < 2, restarted


async def test_postgres_comes_back_while_its_sessions_are_busy(dev: Dev) -> None:
    url = dev.stack["database_url"]
    sessions = [await asyncpg.connect(url) for _ in range(4)]
    endless = "SELECT count(*) FROM generate_series(1, 2000000000)"
    tasks = [asyncio.create_task(session.execute(endless)) for session in sessions]
    await asyncio.sleep(0.5)
    pid = dev.pids["postgres"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: dev.pids["postgres"] != pid)
    await until_answers(dev, dev.stack, "postgres")
    failures = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(failure, Exception) for failure in failures)
    for session in sessions:
        session.terminate()


def test_second_start_in_the_same_folder_is_one_clear_line(dev: Dev) -> None:
    command = [sys.executable, "-P", "-m", "cli.main", "dev", "--data-dir", str(dev.folder)]
    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert second.returncode == 1
    assert second.stderr == f"everorder: already running in {dev.folder}, pid {dev.process.pid}\n"


def test_taken_port_is_one_clear_line(dev: Dev, tmp_path: Path) -> None:
    port = dev.stack["api_url"].rpartition(":")[2]
    command = [sys.executable, "-P", "-m", "cli.main", "dev", "--data-dir", str(tmp_path / "other"), "--port", port]
    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert second.returncode == 1
    assert second.stderr == (f"everorder: port {port} is taken: stop what listens there, or name another with --port\n")


def test_doctor_finds_a_running_stack_well(dev: Dev) -> None:
    environment = {**os.environ, **json.loads((dev.folder / "environment.json").read_text())}
    command = [sys.executable, "-P", "-m", "cli.main", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=20)
    findings = {finding["name"]: finding["ok"] for finding in json.loads(done.stdout)}
    assert findings == dict.fromkeys(["python", "settings", "postgresql", "temporal", "payments", "mail", "sms"], True)
    assert done.returncode == 0


async def test_killed_stack_is_cleaned_up_by_the_next_start_which_leaves_nothing_behind(dev: Dev) -> None:
    """Comes last: it takes the stack of the other tests."""
    before, left = dev.stack, dev.family()
    connection = await asyncpg.connect(before["database_url"])
    await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    await connection.close()
    assert dev.end(signal.SIGKILL) == -signal.SIGKILL
    assert [process for process in left if process.pid in before["processes"].values() and gone(process)] == []
    with running(dev.folder) as second:
        assert [process for process in left if not gone(process)] == []
        assert "Ended what an earlier stack left running: " in second.said
        assert {**second.stack, "processes": {}} == {**before, "processes": {}}
        connection = await asyncpg.connect(before["database_url"])
        assert await connection.fetchval("SELECT answer FROM kept") == 42
        await connection.close()
        family = second.family()
        assert len(family) > len(NAMES)
        assert second.end(signal.SIGINT) == 0
        assert [process for process in family if not gone(process)] == []
        assert not (dev.folder / "stack.json").exists()
        assert not (dev.folder / "processes.json").exists()
        assert second.said.endswith("Stopped. Nothing is left running.\n")
