"""A client that costs next to nothing: plain HTTP/1.1 over connections that stay open, so that servers are measured."""

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import perf_counter

from benchmarks.driving import Lap
from benchmarks.errors import BenchError

_OK = b"HTTP/1.1 200"
_LENGTH = b"content-length:"


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks one server, over several connections that are opened for each lap: servers close those that are idle."""

    host: str
    port: int
    connections: int

    async def ask(self, path: str) -> bytes:
        """Return the body of one answer."""
        async with self._open() as stream:
            return await _ask(*stream, path)

    async def lap(self, paths: Sequence[str], count: int, first: int = 0) -> Lap:
        """Ask for paths in turn, beginning with the `first`, over every connection at once, for `count` answers."""
        latencies: list[float] = []
        left = iter(range(first, first + count))

        async def work(reader: StreamReader, writer: StreamWriter) -> None:
            for number in left:
                began = perf_counter()
                await _ask(reader, writer, paths[number % len(paths)])
                latencies.append(perf_counter() - began)

        async with AsyncExitStack() as stack:
            streams = [await stack.enter_async_context(self._open()) for _ in range(self.connections)]
            began = perf_counter()
            async with asyncio.TaskGroup() as group:
                for stream in streams:
                    group.create_task(work(*stream))
            return Lap(perf_counter() - began, latencies)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
        reader, writer = await asyncio.open_connection(self.host, self.port, limit=2**20)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _ask(reader: StreamReader, writer: StreamWriter, path: str) -> bytes:
    writer.write(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[len(_LENGTH) :]) for line in head.lower().split(b"\r\n") if line.startswith(_LENGTH))
    body = await reader.readexactly(length)
    if not head.startswith(_OK):
        raise BenchError(f"{path} was answered with {head.splitlines()[0].decode()}")
    return body
