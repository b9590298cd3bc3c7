"""The measurements: all kinds in turn, three rounds, and the medians."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from math import ceil
from statistics import median

from benchmarks.bare_sql import bare_sql
from benchmarks.buying import basket
from benchmarks.costs import Costs, costs, cpu_seconds, quiet
from benchmarks.driving import Lap, Turn, lap
from benchmarks.kinds import Kind
from benchmarks.rehearsal import Script, rehearse
from benchmarks.stand import Stand
from clients.connection import connect_to
from settings import get_settings

ROUNDS = 3
_REHEARSALS = 12
"""Different baskets, so that the bare statements do not all wait for one row of stock."""
_LOOKED_AT = 10
_LONGEST_ALONE = 40
"""Orders of a lap that has one at a time: it has nothing to learn from more."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Round:
    """One lap of one kind with what it has used of the CPU, in seconds by process, tail included."""

    kind: Kind
    concurrency: int
    lap: Lap
    cpu: Mapping[str, float]

    @property
    def cpu_each(self) -> float:
        """Return the CPU seconds that all processes together have used for one."""
        return sum(self.cpu.values()) / len(self.lap.latencies)


@dataclass(slots=True)
class Measured:
    """Everything that was measured in one run."""

    rounds: list[Round] = field(default_factory=list)
    costs: Costs | None = None

    def rate(self, kind: Kind, concurrency: int) -> float:
        """Return the median of a kind's rates, a second."""
        return median(one.lap.rate for one in self.of(kind, concurrency))

    def ratio(self, kind: Kind, concurrency: int) -> float:
        """Compare whole orders with another kind: the median over the rounds, each of which stands for its moment."""
        pairs = zip(self.of(Kind.WHOLE, concurrency), self.of(kind, concurrency), strict=True)
        return median(whole.lap.rate / other.lap.rate for whole, other in pairs)

    def cpu(self, kind: Kind, concurrency: int) -> dict[str, float]:
        """Return CPU seconds for one of a kind, by process; the median of the rounds."""
        rounds = self.of(kind, concurrency)
        return {name: median(one.cpu[name] / len(one.lap.latencies) for one in rounds) for name in rounds[0].cpu}

    def cpu_ratio(self, kind: Kind, concurrency: int) -> float:
        """Compare the CPU of a whole order with that of one of another kind, as `ratio` compares their rates."""
        pairs = zip(self.of(Kind.WHOLE, concurrency), self.of(kind, concurrency), strict=True)
        return median(whole.cpu_each / other.cpu_each for whole, other in pairs)

    def of(self, kind: Kind, concurrency: int) -> list[Round]:
        """List the rounds of a kind."""
        return [one for one in self.rounds if (one.kind, one.concurrency) == (kind, concurrency)]


class Bench:
    """Measures on a stand that was built."""

    def __init__(self, stand: Stand, scripts: Sequence[Script], sql: Turn, tell: Tell) -> None:
        self._stand = stand
        self._scripts = scripts
        self._sql = sql
        self._tell = tell
        self._placed = len(scripts) + 1

    async def measure(self, orders: int, concurrencies: Sequence[int], rounds: int = ROUNDS) -> Measured:
        """Warm up, then measure every kind in turn, `rounds` times at each concurrency."""
        measured = Measured()
        for kind in Kind:
            await self._lap(kind, max(8, orders // 3), 8)
        for concurrency in concurrencies:
            count = max(min(orders, _LONGEST_ALONE) if concurrency == 1 else orders, concurrency)
            for _ in range(rounds):
                measured.rounds += [await self._round(kind, count, concurrency) for kind in Kind]
        measured.costs = await self._costs(measured)
        return measured

    async def _round(self, kind: Kind, count: int, concurrency: int) -> Round:
        pids = self._stand.pids
        await quiet(pids)
        before = cpu_seconds(pids)
        done = await self._lap(kind, count, concurrency)
        await quiet(pids)
        after = cpu_seconds(pids)
        self._tell(f"{kind:>6} at {concurrency:>2}: {done.rate:6.1f} a second")
        return Round(kind, concurrency, done, {name: after[name] - before[name] for name in pids})

    async def _lap(self, kind: Kind, count: int, concurrency: int) -> Lap:
        self._placed += count if kind is Kind.WHOLE else 0
        if kind is Kind.SQL:
            return await lap(self._sql, count, concurrency)
        return await self._stand.load.lap(kind, count, concurrency)

    async def _costs(self, measured: Measured) -> Costs:
        last = [one for one in measured.rounds if one.kind is Kind.WHOLE][-1]
        step = ceil(len(last.lap.ids) / _LOOKED_AT)
        client = await connect_to(self._stand.temporal_address, "default")
        return await costs(client, self._stand.sandbox_database_url, last.lap.ids[::step], self._placed, self._scripts)


async def measure(
    stand: Stand, orders: int, concurrencies: Sequence[int], *, rounds: int = ROUNDS, tell: Tell
) -> Measured:
    """Rehearse, then measure."""
    async with AsyncExitStack() as stack:
        scripts = await rehearse(get_settings(), [basket(stand.skus) for _ in range(_REHEARSALS)])
        await stand.have_events_sent()
        sql = await stack.enter_async_context(bare_sql(stand.database_url, scripts, max(concurrencies)))
        return await Bench(stand, scripts, sql, tell).measure(orders, concurrencies, rounds)
