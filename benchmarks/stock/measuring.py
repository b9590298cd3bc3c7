"""The laps: each crowd in turn, the product and pgbench right after each other, and a look at the books after each."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import asyncpg

from benchmarks.catalogue.server import running
from benchmarks.errors import BenchError
from benchmarks.processes import ending
from benchmarks.stock import pgbench
from benchmarks.stock.goods import BUYERS, PLENTY, SCARCE, Books, Connection, Crowd, fill, look, restock
from db import migrations

ROUNDS = 3
SECONDS = 5.0
_PROCESSES = 4
_DATABASE = "stock"

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Round:
    """One lap of the product and the one of pgbench right after it; holds a second."""

    crowd: Crowd
    ours: float
    pgbench: float


@dataclass(frozen=True, slots=True)
class Stand:
    """Where it is measured: a database, a folder for what pgbench reads, and how long a lap takes."""

    connection: Connection
    url: str
    folder: Path
    seconds: float


@dataclass(slots=True)
class Measured:
    """Everything that was measured in one run.

    `oversold` and `leaked` count levels, over all laps; `sold_of_scarce` is how much of the hot SKU was held in the lap
    in which there was too little of it. `miscounted` counts laps after which there were other holds than were made.
    """

    rounds: list[Round] = field(default_factory=list)
    oversold: int = 0
    leaked: int = 0
    deadlocks: int = 0
    miscounted: int = 0
    sold_of_scarce: int = 0

    def rate(self, crowd: Crowd) -> float:
        """Return the median of the rates, a second."""
        return median(one.ours for one in self.rounds if one.crowd is crowd)

    def pgbench_rate(self, crowd: Crowd) -> float:
        """Return the same of pgbench."""
        return median(one.pgbench for one in self.rounds if one.crowd is crowd)

    def ratio(self, crowd: Crowd) -> float:
        """Compare with pgbench: the median over the rounds, each of which stands for its moment."""
        return median(one.ours / one.pgbench for one in self.rounds if one.crowd is crowd)

    def check(self, books: Books, holds: int | None) -> None:
        """Add what a look at the books has shown; `holds` is how many there should be, where that is known."""
        self.oversold += books.oversold
        self.leaked += books.leaked
        self.deadlocks = books.deadlocks
        self.miscounted += holds is not None and books.holds != holds


async def measure(folder: Path, *, rounds: int, seconds: float, tell: Tell) -> Measured:
    """Measure on a PostgreSQL of its own.

    Raises:
        BenchError: something does not start or fails.
    """
    async with running(folder) as server:
        admin = await asyncpg.connect(server.url("postgres"))
        await admin.execute(f'CREATE DATABASE "{_DATABASE}"')
        await admin.close()
        url = server.url(_DATABASE)
        await asyncio.to_thread(migrations.upgrade, url)
        connection = await asyncpg.connect(url)
        try:
            await fill(connection)
            tell("the goods are there")
            stand = Stand(connection, url, folder, seconds)
            measured = Measured()
            for number in range(1, rounds + 1):
                for crowd in Crowd:
                    await _round(stand, crowd, measured)
                tell(f"round {number} of {rounds} is done")
            await _sell_out(stand, measured)
            return measured
        finally:
            await connection.close()


async def _round(stand: Stand, crowd: Crowd, measured: Measured) -> None:
    await restock(stand.connection, PLENTY)
    ours = await _lap(stand.url, crowd, stand.seconds)
    measured.check(await look(stand.connection), ours["held"])
    await restock(stand.connection, PLENTY)
    theirs = await pgbench.run(stand.url, crowd, stand.seconds, stand.folder)
    measured.check(await look(stand.connection), None)
    measured.rounds.append(Round(crowd, ours["held"] / stand.seconds, theirs))


async def _sell_out(stand: Stand, measured: Measured) -> None:
    await restock(stand.connection, SCARCE)
    ours = await _lap(stand.url, Crowd.HOT, stand.seconds)
    measured.check(await look(stand.connection), ours["held"])
    measured.sold_of_scarce = ours["held"]


async def _lap(url: str, crowd: Crowd, seconds: float) -> Counter[str]:
    """Have every buyer hold at the same time."""
    share = BUYERS // _PROCESSES
    async with AsyncExitStack() as stack:
        begun = [_begin(url, crowd, number * share, share, seconds) for number in range(_PROCESSES)]
        processes = [await stack.enter_async_context(ending(process)) for process in await asyncio.gather(*begun)]
        return sum(await asyncio.gather(*map(_outcome, processes)), Counter[str]())


async def _begin(url: str, crowd: Crowd, first: int, buyers: int, seconds: float) -> Process:
    command = (sys.executable, "-P", "-m", "benchmarks.stock.buyers", url, crowd.name, str(first), str(buyers))
    process = await asyncio.create_subprocess_exec(*command, str(seconds), stdin=PIPE, stdout=PIPE, stderr=PIPE)
    if process.stdout is not None:
        await process.stdout.readline()
    return process


async def _outcome(process: Process) -> Counter[str]:
    said, failed = await process.communicate(b"go\n")
    if process.returncode:
        raise BenchError(f"the buyers have failed: {failed.decode(errors='replace')[-1000:]}")
    return Counter(json.loads(said))
