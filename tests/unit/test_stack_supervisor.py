import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from cli.stack import child, health, json_file
from cli.stack.errors import StackError
from cli.stack.folder import DataFolder
from cli.stack.ports import HOST, remembered
from cli.stack.process import ProcessSpec
from cli.stack.supervisor import Supervisor

SLEEP = "import time; time.sleep(60)"
SERVE = f"""
import signal, socket, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = socket.create_server(("{HOST}", int(sys.argv[1])))
while True: server.accept()
"""
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.fork(), flush=True)
time.sleep(60)
"""


class Stage:
    """A supervisor, and everything it said and did."""

    def __init__(self, folder: DataFolder) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.starts = 0
        self.supervisor = Supervisor(folder, self.said.append, self._count)

    def _count(self) -> None:
        self.starts += 1


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    folder = DataFolder(tmp_path)
    (tmp_path / "logs").mkdir()
    stage = Stage(folder)
    yield stage
    await stage.supervisor.stop()


def python(name: str, script: str, *arguments: str, stage: int = 0, grace: float = 5.0) -> ProcessSpec:
    command = (sys.executable, "-S", "-c", script, *arguments)
    return ProcessSpec(name=name, title=name.capitalize(), command=command, environment={}, stage=stage, grace=grace)


async def never() -> bool:
    return False


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the answer is in another process
            await asyncio.sleep(0.005)


async def test_killed_child_is_started_again_at_once_and_said_so(stage: Stage) -> None:
    await stage.supervisor.start(python("api", SLEEP))
    killed = stage.supervisor.pids["api"]
    os.kill(killed, signal.SIGKILL)
    began = time.monotonic()
    await until(lambda: stage.supervisor.pids["api"] != killed)
    took = time.monotonic() - began
    successor = stage.supervisor.pids["api"]
    assert psutil.Process(successor).is_running()
    assert stage.said == [f"Api was ended by SIGKILL: started again as pid {successor}"]
    assert stage.starts == 2
    recorded = json_file.read(stage.folder.processes)["api"]
    assert isinstance(recorded, dict)
    assert recorded["pid"] == successor
    assert took < 1, took


async def test_killed_server_comes_back_on_its_port(stage: Stage) -> None:
    port = remembered(stage.folder, "api")["api"]
    command = (sys.executable, "-S", "-c", SERVE, str(port))
    await stage.supervisor.start(
        ProcessSpec(name="api", title="Api", command=command, environment={}, ready=health.listens(port))
    )
    killed = stage.supervisor.pids["api"]
    os.kill(killed, signal.SIGKILL)
    await until(lambda: stage.supervisor.pids["api"] != killed)
    async with asyncio.timeout(5):
        while not await health.listens(port)():  # noqa: ASYNC110 - the answer is in another process
            await asyncio.sleep(0.01)


async def test_child_that_never_starts_is_given_up_with_its_last_words(stage: Stage) -> None:
    spec = replace(python("api", "print('no luck today'); raise SystemExit(3)"), ready=never)
    starting = asyncio.create_task(stage.supervisor.start(spec))
    log = stage.folder.log("api")
    with pytest.raises(StackError) as raised:
        async with asyncio.timeout(10):
            await stage.supervisor.watch()
    assert str(raised.value) == f"Api ended with exit code 3, 3 times in a row: no luck today (see {log})"
    starting.cancel()


async def test_missing_program_is_one_clear_line(stage: Stage) -> None:
    spec = ProcessSpec(name="api", title="Api", command=("no-such-program",), environment={})
    starting = asyncio.create_task(stage.supervisor.start(spec))
    with pytest.raises(StackError, match=r"Api can not be started: .*No such file or directory: 'no-such-program'"):
        await stage.supervisor.watch()
    starting.cancel()


async def test_stop_ends_the_last_stage_first_and_leaves_nothing(stage: Stage) -> None:
    ended: list[str] = []
    for name, number in (("postgres", 0), ("sandbox", 1), ("api", 2)):
        spec = python(name, SLEEP, stage=number)
        await stage.supervisor.start(replace(spec, sweep=partial(ended.append, name)))
    pids = list(stage.supervisor.pids.values())
    ended.clear()
    await stage.supervisor.stop()
    assert ended == ["api", "sandbox", "postgres"]
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []
    assert not stage.folder.processes.exists()
    assert stage.said == []


async def test_child_that_ignores_the_signal_is_killed_with_its_children(stage: Stage) -> None:
    log = stage.folder.log("api")
    await stage.supervisor.start(python("api", STUBBORN, grace=0.3))
    await until(lambda: log.read_text().count("\n") == 2)
    grandchild = psutil.Process(max(int(line) for line in log.read_text().split()))
    await stage.supervisor.stop()
    assert not psutil.pid_exists(stage.supervisor.pids["api"])
    await until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)


async def test_child_that_dies_again_and_again_is_given_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_LONGEST_PAUSE", 0.01)
    await stage.supervisor.start(python("api", "import time; time.sleep(0.2); raise SystemExit(1)"))
    with pytest.raises(StackError, match=r"^Api ended with exit code 1, 10 times in a row: it wrote nothing"):
        async with asyncio.timeout(30):
            await stage.supervisor.watch()
    assert len(stage.said) == 9
