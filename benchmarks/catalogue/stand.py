"""What is measured: for each size of shop an API process and a bare one, side by side on one PostgreSQL."""

import asyncio
import os
import pickle
import secrets
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.catalogue.asking import Asker
from benchmarks.catalogue.questions import Questions, Read
from benchmarks.catalogue.rehearsal import rehearse
from benchmarks.catalogue.server import Server, Tell
from benchmarks.errors import BenchError
from benchmarks.processes import ending, until_ready
from cli.stack.health import listens
from cli.stack.ports import HOST, unused
from cli.stack.programs import everorder

CONNECTIONS = 8
_STARTS_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that are compared: who asks it, and its addresses by kind of read."""

    asker: Asker
    paths: Questions


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop of one size, as the product serves it and as the bare handler does."""

    products: int
    product: Side
    bare: Side


@asynccontextmanager
async def opened_shop(server: Server, products: int, folder: Path, tell: Tell) -> AsyncIterator[Shop]:
    """Fill a database, start both processes, and make sure that they answer alike.

    Raises:
        BenchError: a process does not start, or the answers differ.
    """
    url = await server.shop(products, tell)
    rehearsed = await rehearse(url, _SECRET)
    recorded = folder / f"recorded-{products}"
    recorded.write_bytes(pickle.dumps(rehearsed.recorded))
    async with AsyncExitStack() as stack:
        ours, bare = unused(2)
        api = everorder("api", "--port", str(ours), "--services", "catalog")
        await stack.enter_async_context(_process(ours, *api, environment=_environment(url)))
        other = (sys.executable, "-P", "-m", "benchmarks.catalogue.bare", str(bare), url, str(recorded))
        await stack.enter_async_context(_process(bare, *other, environment={}))
        shop = Shop(
            products,
            Side(Asker(HOST, ours, CONNECTIONS), rehearsed.questions),
            Side(Asker(HOST, bare, CONNECTIONS), _numbered(rehearsed.questions)),
        )
        await _require_same_answers(shop)
        yield shop


_SECRET = secrets.token_urlsafe(32)


def _environment(url: str) -> dict[str, str]:
    # Requests are logged and callers counted as in a deployment, but nobody is turned away.
    return {
        "DATABASE_URL": url,
        "EVERORDER_SECRET": _SECRET,
        "EVERORDER_LOG_JSON": "true",
        "EVERORDER_RATE_LIMIT_SCALE": "1000000",
    }


def _numbered(questions: Questions) -> Questions:
    return {read: [f"/{read.name}/{number}" for number in range(len(paths))] for read, paths in questions.items()}


async def _require_same_answers(shop: Shop) -> None:
    for read in Read:
        for ours, bare in zip(shop.product.paths[read], shop.bare.paths[read], strict=True):
            if await shop.product.asker.ask(ours) != await shop.bare.asker.ask(bare):
                raise BenchError(f"the bare handler answers otherwise than {ours}")


@asynccontextmanager
async def _process(port: int, *command: str, environment: dict[str, str]) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, env=os.environ | environment
    )
    async with ending(process):
        await until_ready(process, listens(port), "a server of the benchmark", within=_STARTS_WITHIN)
        yield
