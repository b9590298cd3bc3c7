"""`python -m benchmarks.load`: the load, in a process of its own: a question a line in, an answer a line out.

It asks this machine only, and ends when its input does.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import Any

import httpx2
import uvloop

from benchmarks.driving import Turn, empty, lap, noop, whole
from benchmarks.errors import BenchError
from benchmarks.kinds import Kind
from clients.connection import connect_to

MOST_AT_ONCE = 256

_TIMEOUT = httpx2.Timeout(60, connect=5)


async def _serve(api_url: str, temporal_address: str, skus: list[str]) -> None:
    async with AsyncExitStack() as stack:
        limits = httpx2.Limits(max_connections=MOST_AT_ONCE, max_keepalive_connections=MOST_AT_ONCE)
        client = await stack.enter_async_context(
            httpx2.AsyncClient(base_url=api_url, timeout=_TIMEOUT, limits=limits, trust_env=False)
        )
        temporal = await connect_to(temporal_address, "default")
        turns = {Kind.WHOLE: whole(client, skus), Kind.NOOP: noop(temporal), Kind.EMPTY: empty(temporal)}
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await _answer(turns, json.loads(line))), flush=True)


async def _answer(turns: Mapping[Kind, Turn], question: Mapping[str, Any]) -> dict[str, Any]:
    try:
        done = await lap(turns[Kind(question["kind"])], question["count"], question["concurrency"])
    except BenchError as error:
        return {"error": str(error)}
    return asdict(done)


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
    sys.stdout.flush()
    os._exit(0)  # the threads of Temporal's client can outlive the interpreter (sdk-python#300)
