"""The sandbox as it is deployed: a process of its own on a database of its own, and calls that make it misbehave."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx2

from tests.support.ports import free_port

_ROOT = Path(__file__).parents[2]
SECRET_KEY = "sk_test_everorder_tests"
_ENTRY = """
import sys
from sandbox.server import serve
serve(database_url=sys.argv[1], host="127.0.0.1", port=int(sys.argv[2]))
"""


async def installation() -> str:
    """Tell what makes payments in tests that have no database to name it."""
    return "tests"


class SandboxForTests:
    """A running sandbox. `call` speaks to `/v1` as any HTTP client would, without our provider in between."""

    def __init__(self, database_url: str, port: int) -> None:
        self.database_url = database_url
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return the process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the process and wait until it answers."""
        arguments = [sys.executable, "-c", _ENTRY, self.database_url, str(self._port)]
        self._process = subprocess.Popen(arguments, cwd=_ROOT)
        deadline = time.monotonic() + 30
        while not self._answers():
            assert self._process.poll() is None, f"the sandbox ended with {self._process.returncode}"
            assert time.monotonic() < deadline, "the sandbox does not answer"
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the process and return its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(15)

    async def call(
        self, method: str, path: str, form: dict[str, str] | None = None, *, key: str | None = None
    ) -> httpx2.Response:
        """Send one API request."""
        headers = {"authorization": f"Bearer {SECRET_KEY}"} | ({"idempotency-key": key} if key else {})
        async with httpx2.AsyncClient(base_url=self.url, trust_env=False, verify=False) as client:
            if method == "GET":
                return await client.get(path, params=form, headers=headers)
            return await client.request(method, path, data=form, headers=headers)

    async def control(self, method: str, path: str, body: dict[str, object] | None = None) -> httpx2.Response:
        """Send one request to the control endpoints."""
        async with httpx2.AsyncClient(base_url=self.url, trust_env=False, verify=False) as client:
            response = await client.request(method, f"/_sandbox/{path}", json=body)
        return response.raise_for_status()

    async def misbehave(self, kind: str, **order: object) -> None:
        """Ask for a fault: see `sandbox.faults.FaultOrder`."""
        await self.control("POST", "faults", {"kind": kind, **order})

    async def behave(self) -> None:
        """Take every fault back."""
        await self.control("DELETE", "faults")

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Ask the sandbox's own database."""
        connection = await asyncpg.connect(self.database_url)
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/healthz", trust_env=False, verify=False, timeout=5).status_code == 200
        except httpx2.TransportError:
            return False


@contextmanager
def running_sandbox(database_url: str) -> Iterator[SandboxForTests]:
    """Run a sandbox on a database that need not exist yet."""
    sandbox = SandboxForTests(database_url, free_port())
    sandbox.start()
    try:
        yield sandbox
    finally:
        sandbox.stop()
