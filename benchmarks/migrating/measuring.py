"""One migration after the other of a shop that is open, and the longest that any of its clients took meanwhile."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from alembic import command
from alembic.script import ScriptDirectory

from benchmarks.catalogue.server import Server, Tell, running
from benchmarks.migrating.clients import CLIENTS, LOOK, Note, connected, go_on, watch
from benchmarks.migrating.past import fill_with_past
from db import migrations
from db.audit.checks import Subject, count, examine
from db.audit.listings import LISTED_AS_IT_IS
from db.audit.snapshot import snapshot
from db.audit.stock import STOCK_AGREES
from db.engine import create_engine, create_sessions

QUIET = "none"
_OPEN = "open"

_REVISION = "SELECT version_num FROM alembic_version, pg_sleep($1)"
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


@dataclass(slots=True)
class Phase:
    """What went on beside one migration: its seconds, and by client its transactions and the longest of them."""

    revision: str
    seconds: float = 0.0
    longest: dict[str, float] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)

    def note(self, name: str, seconds: float) -> None:
        """Take down one transaction."""
        self.longest[name] = max(self.longest.get(name, 0.0), seconds)
        self.times[name] = self.times.get(name, 0) + 1


@dataclass(frozen=True, slots=True)
class Measured:
    """Every phase of a run, and what the books showed afterwards: broken rows by check, and deadlocks."""

    phases: list[Phase]
    broken: dict[str, int]
    deadlocks: int


async def measure(
    folder: Path, products: int, since: str, *, quiet: float, tell: Tell, shared_buffers: str
) -> Measured:
    """Make a shop of an older revision, and bring it to the newest while it is open.

    Raises:
        BenchError: PostgreSQL does not start.
    """
    async with running(folder, shared_buffers) as server:
        url = await _shop(server, products, since, tell)
        phases = await _migrated(url, products, since, quiet, tell)
        tell("looking at the books")
        async with connected(url) as connection:
            deadlocks = await connection.fetchval(_DEADLOCKS)
        return Measured(phases, await _broken(url), deadlocks)


async def _shop(server: Server, products: int, since: str, tell: Tell) -> str:
    """Open a copy of a shop, which is filled unless an earlier run has."""
    name = f"shop_{products}_at_{since}"
    async with connected(server.url("postgres")) as connection:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await connection.execute("DROP DATABASE IF EXISTS unfinished")
            await connection.execute("CREATE DATABASE unfinished")
            await asyncio.to_thread(command.upgrade, migrations.config(server.url("unfinished")), since)
            await fill_with_past(server.url("unfinished"), products, tell)
            await connection.execute(f'ALTER DATABASE unfinished RENAME TO "{name}"')
        await connection.execute(f"DROP DATABASE IF EXISTS {_OPEN}")
        await connection.execute(f'CREATE DATABASE {_OPEN} TEMPLATE "{name}"')
    return server.url(_OPEN)


async def _migrated(url: str, products: int, since: str, quiet: float, tell: Tell) -> list[Phase]:
    """Migrate in one go, as a deployment does, and see from beside which migration it is at."""
    phases = [Phase(QUIET)]

    def note() -> Note:
        return phases[-1].note

    async with asyncio.TaskGroup() as group:
        beside = [group.create_task(go_on(url, name, products, note)) for name in CLIENTS]
        beside.append(group.create_task(watch(url, note)))
        await asyncio.sleep(quiet)
        following = group.create_task(_follow(url, since, phases, tell))
        await asyncio.to_thread(migrations.upgrade, url)
        await following
        for task in beside:
            task.cancel()
    return phases


async def _follow(url: str, since: str, phases: list[Phase], tell: Tell) -> None:
    """Begin a phase whenever a migration is done, until the last is."""
    script = ScriptDirectory.from_config(migrations.config(url))
    async with connected(url) as connection:
        for one in reversed(list(script.iterate_revisions("head", since))):
            phases.append(Phase(one.revision))
            began = perf_counter()
            while await connection.fetchval(_REVISION, LOOK) < one.revision:
                pass
            phases[-1].seconds = perf_counter() - began
            tell(f"{one.revision} took {phases[-1].seconds:.1f} s")


async def _broken(url: str) -> dict[str, int]:
    levels = [check for check in STOCK_AGREES.checks if check.subject is Subject.STOCK_LEVELS]
    engine = create_engine(url, pool_size=1, patient=True)
    async with snapshot(create_sessions(engine)) as session:
        findings = await examine(session, [*levels, *LISTED_AS_IT_IS.checks], {}, await count(session))
    await engine.dispose()
    return {finding.name: finding.broken for finding in findings if finding.broken}
