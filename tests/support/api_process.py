"""Processes of the API as they are deployed: `everorder api`, on a free port, told by its environment alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.support.ports import free_port

EVERORDER = (sys.executable, "-P", "-m", "cli.main")
_STARTS_WITHIN = 60.0
_ENDS_WITHIN = 30.0


@dataclass
class ApiProcess:
    """One process; `log` has what it said."""

    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Tell it to stop, as a deployment does, without waiting for it."""
        self.process.send_signal(signal.SIGTERM)

    def answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/healthz", trust_env=False, verify=False, timeout=5).status_code == 200
        except httpx2.TransportError:
            return False


def started_api(environment: Mapping[str, str], log: Path, *, services: str = "") -> ApiProcess:
    """Start a process, with nothing of the environment of the tests but their Python."""
    port = free_port()
    command = [*EVERORDER, "api", "--port", str(port), *(["--services", services] if services else [])]
    own = {name: value for name, value in os.environ.items() if not name.startswith(("EVERORDER_", "TEMPORAL_"))}
    with log.open("wb") as said:
        process = subprocess.Popen(command, env={**own, **environment}, stdout=said, stderr=said)
    return ApiProcess(port, process, log)


def wait_until_it_answers(api: ApiProcess) -> None:
    limit = time.monotonic() + _STARTS_WITHIN
    while not api.answers():
        assert api.process.poll() is None, api.log.read_text()
        assert time.monotonic() < limit, "the API does not answer"
        time.sleep(0.05)
    assert api.process.poll() is None, f"another server answers on port {api.port}: {api.log.read_text()}"


def ended(api: ApiProcess) -> int:
    """Wait for the end of a process that was told to stop."""
    return api.process.wait(_ENDS_WITHIN)


@contextmanager
def running_api(environment: Mapping[str, str], log: Path, *, services: str = "") -> Iterator[ApiProcess]:
    """Run a process, and end it if it has not ended."""
    api = started_api(environment, log, services=services)
    try:
        wait_until_it_answers(api)
        yield api
    finally:
        if api.process.poll() is None:
            api.stop()
        try:
            ended(api)
        finally:
            api.process.kill()
