"""The measurements: every shop and every read in turn, the product and the bare handler right after each other."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.catalogue.questions import Read
from benchmarks.catalogue.server import Tell, running
from benchmarks.catalogue.stand import Shop, opened_shop
from benchmarks.driving import Lap
from benchmarks.report import percentile

ROUNDS = 3
REQUESTS = 400


@dataclass(frozen=True, slots=True)
class Round:
    """One lap of one read in one shop, and the bare handler's right after it."""

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


async def measure(sizes: Sequence[int], folder: Path, *, rounds: int, requests: int, tell: Tell) -> Measured:
    """Fill a shop of each size, warm up, then measure every read in turn, `rounds` times."""
    measured = Measured()
    async with running(folder) as server, AsyncExitStack() as stack:
        shops = [await stack.enter_async_context(opened_shop(server, size, folder, tell)) for size in sizes]
        for number in range(rounds + 1):
            done = [await _round(shop, read, requests) for shop in shops for read in Read]
            if number > 0:
                measured.rounds += done
                tell(f"round {number} of {rounds} is done")
    return measured


async def _round(shop: Shop, read: Read, requests: int) -> Round:
    ours = await shop.product.asker.lap(shop.product.paths[read], requests)
    bare = await shop.bare.asker.lap(shop.bare.paths[read], requests)
    return Round(shop.products, read, ours, bare)
