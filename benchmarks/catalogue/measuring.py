"""The measurements: every shop and every read in turn, the product and the bare handler right after each other.

What makes the ratios steady: each round asks both sides alternately, for a fraction of a second each, so that whatever
else the machine does meets both alike; a round is a second or more on either side; the first round is for warming up;
and the median of the rounds counts.
"""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.catalogue.questions import Read
from benchmarks.catalogue.server import SHARED_BUFFERS, Tell, running
from benchmarks.catalogue.stand import Shop, opened_shop
from benchmarks.driving import Lap
from benchmarks.report import percentile

ROUNDS = 5
REQUESTS = 1_000
"""For one product, in a round."""

_SHARES: Mapping[Read, float] = {
    Read.DETAIL: 1.0,
    Read.LIST: 0.5,
    Read.DEEP: 0.5,
    Read.FILTERED: 0.25,
    Read.SEARCH: 0.25,
}
"""How many of them a read is asked for: what takes longer less often."""

_TURNS = 10


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of one read in one shop took, and what the bare handler took meanwhile."""

    products: int
    read: Read
    ours: Lap
    bare: Lap


@dataclass(slots=True)
class Measured:
    """Everything that was measured in one run. Times are seconds."""

    rounds: list[Round] = field(default_factory=list)

    def rate(self, products: int, read: Read) -> float:
        """Return the median of the rates, a second."""
        return median(one.ours.rate for one in self.of(products, read))

    def ratio(self, products: int, read: Read) -> float:
        """Compare with the bare handler: the median over the rounds, each of which stands for its moment."""
        return median(one.ours.rate / one.bare.rate for one in self.of(products, read))

    def p99(self, products: int, read: Read) -> float:
        """Return the median of the rounds' 99th percentiles."""
        return median(percentile(one.ours.latencies, 99) for one in self.of(products, read))

    def bare_p99(self, products: int, read: Read) -> float:
        """Return the same of the bare handler."""
        return median(percentile(one.bare.latencies, 99) for one in self.of(products, read))

    def growth(self, read: Read) -> float:
        """Compare the 99th percentile in the largest shop with that in the smallest."""
        sizes = sorted({one.products for one in self.rounds})
        return self.p99(sizes[-1], read) / self.p99(sizes[0], read)

    def of(self, products: int, read: Read) -> list[Round]:
        """List the rounds of a read in one shop."""
        return [one for one in self.rounds if (one.products, one.read) == (products, read)]


async def measure(
    sizes: Sequence[int], folder: Path, *, rounds: int, requests: int, tell: Tell, shared_buffers: str = SHARED_BUFFERS
) -> Measured:
    """Fill a shop of each size, warm up, then measure every read in turn, `rounds` times."""
    measured = Measured()
    async with running(folder, shared_buffers) as server, AsyncExitStack() as stack:
        shops = [await stack.enter_async_context(opened_shop(server, size, folder, tell)) for size in sizes]
        for number in range(rounds + 1):
            done = [await _round(shop, read, int(requests * _SHARES[read])) for shop in shops for read in Read]
            if number > 0:
                measured.rounds += done
                tell(f"round {number} of {rounds} is done")
    return measured


async def _round(shop: Shop, read: Read, requests: int) -> Round:
    ours, bare = [], []
    count = -(-requests // _TURNS)
    for first in range(0, requests, count):
        ours.append(await shop.product.asker.lap(shop.product.paths[read], count, first))
        bare.append(await shop.bare.asker.lap(shop.bare.paths[read], count, first))
    return Round(shop.products, read, _whole(ours), _whole(bare))


def _whole(laps: Sequence[Lap]) -> Lap:
    return Lap(sum(lap.seconds for lap in laps), [latency for lap in laps for latency in lap.latencies])
