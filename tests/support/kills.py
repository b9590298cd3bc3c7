"""Processes of a running stack killed while a day of invoices is replayed through it, and what came of it."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
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


Finished = tuple[float, Placed | Failure]


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill, by the monotonic clock, and when an order that was begun right after it was placed."""

    name: str
    at: float
    next_placed: float


@dataclass(frozen=True, slots=True)
class Aftermath:
    """How orders went on after each kill, in seconds: those that came after it, and those that were under way."""

    kills: Sequence[Kill]
    finished: Sequence[Finished]

    def next_orders(self, name: str = "") -> list[float]:
        """Time the orders that were begun right after a kill of this name, or after any, shortest first."""
        return sorted(kill.next_placed - kill.at for kill in self._kills(name))

    def under_way(self, name: str = "") -> list[float]:
        """Time what was left of the invoices that were under way at a kill, shortest first."""
        return sorted(
            end - kill.at
            for kill in self._kills(name)
            for end, outcome in self.finished
            if isinstance(outcome, Placed) and end - outcome.seconds < kill.at < end
        )

    def table(self) -> str:
        """Write a line for each name, and one for all."""
        names = [*dict.fromkeys(kill.name for kill in self.kills), ""]
        head = f"{'killed':<22}{'times':>6}   next order p50/p95/most     orders under way p50/p95/most"
        return "\n".join([head, *(self._line(name) for name in names)])

    def _line(self, name: str) -> str:
        after, during = self.next_orders(name), self.under_way(name)
        return f"{name or 'all':<22}{len(after):>6}   {_figures(after):<27} {_figures(during)}"

    def _kills(self, name: str) -> list[Kill]:
        return [kill for kill in self.kills if name in {"", kill.name}]


def share(ranked: Sequence[float], part: float) -> float:
    """Return what a part of sorted figures stays within (nearest rank)."""
    return ranked[ceil(len(ranked) * part) - 1]


def _figures(ranked: Sequence[float]) -> str:
    return " / ".join(f"{share(ranked, part):.2f} s" for part in (0.5, 0.95, 1)) if ranked else "none"


async def replay_under_kills(
    stack: RunningStack, file: Path, killed: Sequence[str], *, invoices: int, longest: int
) -> tuple[WrittenDay, ReplayReport, Aftermath]:
    """Replay a day that is written here; kill one process after the other, as many invoices apart as there are."""
    written = write_day(file, invoices=invoices, longest=longest)
    day = survey(file)
    await import_day(day, str(stack.told["database_url"]))
    finished: list[Finished] = []
    one_more = asyncio.Semaphore(0)

    def note(outcome: Placed | Failure) -> None:
        finished.append((time.monotonic(), outcome))
        one_more.release()

    every = invoices // (len(killed) + 1)
    async with asyncio.TaskGroup() as group:
        killing = group.create_task(_kill_in_turn(stack, killed, one_more, every))
        replaying = group.create_task(
            replay(day, api_url=stack.api_url, token=stack.token, concurrency=CONCURRENCY, on_progress=note)
        )
    return written, replaying.result(), Aftermath(killing.result(), finished)


async def _kill_in_turn(
    stack: RunningStack, names: Sequence[str], one_more: asyncio.Semaphore, every: int
) -> list[Kill]:
    """Kill a process whenever `every` invoices more are orders, and order something at the same moment."""
    kills: list[Kill] = []
    async with stack.world() as world:
        sku = await world.goods(stock=len(names))
    async with shopping(stack.api_url) as buyer:
        for name in names:
            for _ in range(every):
                await one_more.acquire()
            at = await stack.kill(name)
            order = await buyer.buy(sku)
            assert order["status"] == "placed", order
            kills.append(Kill(name, at, time.monotonic()))
    return kills


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
