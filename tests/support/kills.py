"""Processes of a running stack killed while a day of invoices is replayed through it, and what came of it."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from cli.retail.day import survey
from cli.retail.importing import import_day
from cli.retail.outcome import Failure, ReplayReport
from cli.retail.placing import Placed
from cli.retail.replaying import replay
from tests.support.retail import WrittenDay, write_day
from tests.support.shopper import shopping
from tests.support.stack import RunningStack

CONCURRENCY = 8


@dataclass
class Recoveries:
    """Seconds from each kill until an order that was begun after it was placed, by the name of who was killed."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def note(self, name: str, seconds: float) -> None:
        self.seconds.setdefault(name, []).append(seconds)

    @property
    def all(self) -> list[float]:
        return sorted(second for seconds in self.seconds.values() for second in seconds)

    def share(self, share: float, name: str | None = None) -> float:
        """Return the seconds that a share of the recoveries stayed within (nearest rank)."""
        ranked = self.all if name is None else sorted(self.seconds[name])
        return ranked[ceil(len(ranked) * share) - 1]

    def table(self) -> str:
        """Write a line for each name, and one for all."""
        lines = [self._line(name, sorted(seconds)) for name, seconds in self.seconds.items()]
        return "\n".join([f"{'killed':<22} kills    p50    p95   most", *lines, self._line("all", self.all)])

    def _line(self, name: str, ranked: list[float]) -> str:
        half, most = ranked[ceil(len(ranked) * 0.5) - 1], ranked[ceil(len(ranked) * 0.95) - 1]
        return f"{name:<22} {len(ranked):>5} {half:>5.2f}s {most:>5.2f}s {ranked[-1]:>5.2f}s"


async def replay_under_kills(
    stack: RunningStack, file: Path, killed: Sequence[str], *, invoices: int, longest: int
) -> tuple[WrittenDay, ReplayReport, Recoveries]:
    """Replay a day that is written here; kill one process after the other, as many invoices apart as there are."""
    written = write_day(file, invoices=invoices, longest=longest)
    day = survey(file)
    await import_day(day, str(stack.told["database_url"]))
    finished: asyncio.Queue[Placed | Failure] = asyncio.Queue()
    killing = asyncio.create_task(_kill_in_turn(stack, killed, finished, invoices // (len(killed) + 1)))
    report = await replay(
        day, api_url=stack.api_url, token=stack.token, concurrency=CONCURRENCY, on_progress=finished.put_nowait
    )
    return written, report, await killing


async def _kill_in_turn(
    stack: RunningStack, names: Sequence[str], finished: asyncio.Queue[Placed | Failure], every: int
) -> Recoveries:
    """Kill a process whenever `every` invoices more are orders, and order something at the same moment."""
    recoveries = Recoveries()
    async with stack.world() as world:
        sku = await world.goods(stock=len(names))
    async with shopping(stack.api_url) as buyer:
        for name in names:
            for _ in range(every):
                await finished.get()
            killed = await stack.kill(name)
            order = await buyer.buy(sku)
            recoveries.note(name, time.monotonic() - killed)
            assert order["status"] == "placed", order
    return recoveries


async def require_right_books(stack: RunningStack, written: WrittenDay, orders: int) -> None:
    """Require that each invoice is exactly one order of its amount, and that each order was charged exactly once.

    The payment server is asked in its own database: what it has taken is what the orders of the shop say, order by
    order, and nothing is reserved. `orders` is how many there are, those that are no invoices included.
    """
    invoices = await stack.rows(
        "SELECT c.reference, o.subtotal_amount FROM orders o JOIN carts c ON c.id = o.cart_id"
        " WHERE c.reference IS NOT NULL AND o.status = 'placed'"
    )
    assert sorted(invoices) == sorted(written.invoices.items())
    assert sum(amount for _, amount in invoices) == written.revenue

    placed = await stack.rows("SELECT id::text, total_amount FROM orders WHERE status = 'placed'")
    taken = await stack.sandbox_rows(
        "SELECT order_id, captured_amount - refunded_amount FROM payment_intents WHERE status = 'succeeded'"
    )
    assert len(placed) == orders
    assert sorted(taken) == sorted(placed)
    states = Counter(state for (state,) in await stack.sandbox_rows("SELECT status FROM payment_intents"))
    assert set(states) <= {"succeeded", "canceled", "requires_payment_method"}, states
    assert await stack.rows("SELECT order_id FROM reservations WHERE state = 'held'") == []
