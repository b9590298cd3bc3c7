"""Where it is measured: a stack of its own in a temporary folder, workers that do nothing, and the load.

All of it is on free ports of this machine, and nothing is left of it afterwards.
"""

import asyncio
import json
import os
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from benchmarks.driving import Lap
from benchmarks.errors import BenchError
from benchmarks.kinds import Kind
from benchmarks.processes import ending, until_ready
from benchmarks.worker import WORK
from cli.stack import json_file
from cli.stack.folder import DataFolder
from cli.stack.log import last_words
from cli.stack.programs import everorder
from domain.stripe_events import TYPES
from settings import get_settings

_STARTS_WITHIN = 90.0
_GOODS = 50
_PLENTY = 1_000_000


class Load:
    """The process that asks; this is its other end."""

    def __init__(self, process: Process) -> None:
        self.pid = process.pid
        self._process = process

    async def lap(self, kind: Kind, count: int, concurrency: int) -> Lap:
        """Have something measured.

        Raises:
            BenchError: it went wrong.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise BenchError("the load has no pipes")
        question = {"kind": kind, "count": count, "concurrency": concurrency}
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        line = await self._process.stdout.readline()
        answer = json.loads(line or b'{"error": "the process of the load has ended"}')
        if "error" in answer:
            raise BenchError(f"{kind} at {concurrency} at once: {answer['error']}")
        return Lap(**answer)


@dataclass(frozen=True, slots=True)
class Stand:
    """Everything that runs. `pids` are numbers of processes by name, the load among them."""

    api_url: str
    database_url: str
    sandbox_database_url: str
    temporal_address: str
    skus: list[str]
    load: Load
    pids: dict[str, int]

    async def have_events_sent(self) -> None:
        """Have the payment server report what it does from now on, as it does in every stack.

        Not before: an order that is rehearsed has no workflow, and would be given one to hear of its payment.
        """
        settings = get_settings()
        endpoint = {
            "url": f"{self.api_url}/v1/webhooks/stripe",
            "secret": settings.stripe_webhook_secrets[0],
            "enabled_events": list(TYPES),
        }
        async with httpx2.AsyncClient(base_url=settings.stripe_api_base, timeout=30, trust_env=False) as client:
            (await client.post("/_sandbox/webhook_endpoints", json=endpoint)).raise_for_status()


@asynccontextmanager
async def built() -> AsyncIterator[Stand]:
    """Start everything, and end it again.

    Raises:
        BenchError: something did not start.
    """
    async with AsyncExitStack() as stack:
        path = stack.enter_context(tempfile.TemporaryDirectory(prefix="everorder-bench-", ignore_cleanup_errors=True))
        folder = DataFolder(Path(path) / "stack")
        await stack.enter_async_context(_dev(folder))
        running = json.loads(folder.description.read_text())
        os.environ.update({name: str(value) for name, value in json_file.read(folder.environment).items()})
        skus = await _goods(running["api_url"], running["service_token"])
        pids: dict[str, int] = dict(running["processes"])
        for queue in WORK:
            pids[queue] = (await stack.enter_async_context(_program("benchmarks.worker", queue))).pid
        arguments = (running["api_url"], running["temporal_address"], json.dumps(skus))
        load = Load(await stack.enter_async_context(_program("benchmarks.load", *arguments)))
        yield Stand(
            api_url=running["api_url"],
            database_url=running["database_url"],
            sandbox_database_url=running["sandbox_database_url"],
            temporal_address=running["temporal_address"],
            skus=skus,
            load=load,
            pids={**pids, "load": load.pid},
        )


@asynccontextmanager
async def _dev(folder: DataFolder) -> AsyncIterator[None]:
    async def described() -> bool:
        return folder.description.exists()

    log = folder.path.with_name("dev.log")
    ports = [part for name in ("port", "temporal-port", "ui-port") for part in (f"--{name}", "0")]
    command = everorder("dev", "--data-dir", str(folder.path), "--no-demo", *ports)
    with log.open("wb") as file:
        silent = os.environ | {"EVERORDER_SANDBOX_WEBHOOK_URL": ""}
        process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=file, stderr=file, env=silent)
    async with ending(process):
        await until_ready(process, described, "the stack", within=_STARTS_WITHIN, last_words=lambda: last_words(log))
        yield


@asynccontextmanager
async def _program(module: str, *arguments: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", module, *arguments, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, limit=2**24
    )
    async with ending(process):
        yield process


async def _goods(api_url: str, token: str) -> list[str]:
    """Receive more of everything than a benchmark can sell."""
    async with httpx2.AsyncClient(
        base_url=api_url, headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False
    ) as client:
        products = (await client.get("/v1/products", params={"limit": _GOODS, "in_stock": True})).raise_for_status()
        skus = [str(variant["sku"]) for product in products.json()["items"] for variant in product["variants"]]
        for sku in skus:
            receipt = {"delta": _PLENTY, "reason": "receipt"}
            (await client.post(f"/v1/stock/{sku}/adjustments", json=receipt)).raise_for_status()
    return skus
