import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.stack import json_file
from cli.stack.folder import DataFolder
from cli.stack.leftovers import ProcessRecord, end_leftovers


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def test_recorded_leftover_is_ended_and_forgotten(folder: DataFolder, sleeper: subprocess.Popen[bytes]) -> None:
    ProcessRecord(folder).add("api", sleeper.pid)
    folder.description.touch()
    assert end_leftovers(folder, grace=2) == ["api"]
    assert sleeper.wait(timeout=1) == -15
    assert not folder.processes.exists()
    assert not folder.description.exists()


def test_leftover_that_ignores_the_signal_is_killed_with_its_children(folder: DataFolder) -> None:
    script = "trap '' TERM; sleep 60 & echo $!; wait"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True) as shell:
        assert shell.stdout
        child = psutil.Process(int(shell.stdout.readline()))
        ProcessRecord(folder).add("worker-orders", shell.pid)
        assert end_leftovers(folder, grace=0.2) == ["worker-orders"]
        assert shell.wait(timeout=1) == -9
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_process_that_only_has_the_number_of_a_leftover_lives_on(
    folder: DataFolder, sleeper: subprocess.Popen[bytes]
) -> None:
    started = psutil.Process(sleeper.pid).create_time()
    json_file.write(folder.processes, {"api": {"pid": sleeper.pid, "started": started - 60}})
    assert end_leftovers(folder, grace=0.2) == []
    assert sleeper.poll() is None
    assert not folder.processes.exists()


def test_without_a_record_nothing_is_ended(folder: DataFolder) -> None:
    assert end_leftovers(folder) == []
