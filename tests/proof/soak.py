"""A soak that is run by hand: `.venv/bin/python -m tests.proof.soak --kills 1000 [--seed N]`.

Processes of a whole stack are killed at random while people check out, cancel, pay again, are refunded, are sent
parcels and bring goods back, and while every second order is followed event by event. It ends by itself: every order
has come to what its story says, the payment server has kept exactly that and the shelf holds the rest, whoever has
followed an order was told its timeline without a gap and nothing twice, and the audit of the system at rest is clean;
or the exit status is 1.
"""

import argparse
import asyncio
import random
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.following import Heard
from tests.support.kills import share
from tests.support.prices import Prices
from tests.support.shopper import shopping
from tests.support.soaking import BASIS_POINTS, CODE, Customer, Ending, Told
from tests.support.stack import RunningStack, running_stack

WEIGHTS = {
    "worker-orders": 16,
    "worker-payments": 9,
    "worker-notifications": 5,
    "worker-inventory": 2,
    "worker-maintenance": 2,
    "api": 6,
    "sandbox": 4,
    "temporal": 3,
    "postgres": 3,
}
CUSTOMERS = 6
STORIES_BETWEEN = 1
"""So many stories come to their end between two kills, so that the shop goes on and is not only ever starting."""
_REST_WITHIN = 300.0


@dataclass
class Soak:
    """What has happened so far."""

    told: list[Told] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)
    one_more: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    over: bool = False

    async def live(self, customer: Customer) -> None:
        """Tell one story after the other until it is over; one that fails is noted."""
        while not self.over:
            try:
                self.told.append(await customer.next_story())
            except (AssertionError, TimeoutError) as error:
                self.failed.append(f"{type(error).__name__}: {error}")
            self.one_more.release()

    async def kill(self, stack: RunningStack, names: Sequence[str], dice: random.Random) -> None:
        """Kill one process after the other, each a moment after a story has come to its end."""
        for n, name in enumerate(names, 1):
            for _ in range(STORIES_BETWEEN):
                await self.one_more.acquire()
            await asyncio.sleep(dice.uniform(0, 0.5))
            await stack.kill(name)
            self.killed[name] += 1
            if n % 25 == 0:
                sys.stdout.write(f"{n} kills, {len(self.told)} stories, {len(self.failed)} failed\n")
                sys.stdout.flush()
        self.over = True

    def report(self, seconds: float) -> str:
        """Say what was killed, and how long each kind of story has taken meanwhile."""
        kills = ", ".join(f"{name} {times}" for name, times in sorted(self.killed.items()))
        lines = [
            f"{self.killed.total()} kills in {seconds:.0f} s: {kills}",
            f"{'story':<24}{'times':>6}  p50 / p95 / most",
        ]
        for story in sorted({one.story for one in self.told}):
            took = sorted(one.seconds for one in self.told if one.story == story)
            figures = " / ".join(f"{share(took, part):.1f} s" for part in (0.5, 0.95, 1))
            lines.append(f"{story:<24}{len(took):>6}  {figures}")
        return "\n".join([*lines, *self.failed])


async def soak(kills: int, seed: int, folder: Path) -> bool:
    """Soak, and tell whether everything has come to what it has to."""
    dice, going, stock = random.Random(seed), Soak(), 100 * (kills + 10)
    names = dice.choices(list(WEIGHTS), weights=list(WEIGHTS.values()), k=kills)
    with running_stack(folder / "data") as stack:
        async with stack.world() as world:
            sku = await world.goods(stock=stock)
            await Prices(world.shop).promotion(CODE, basis_points=BASIS_POINTS)
        begun = time.monotonic()
        async with shopping(stack.api_url) as buyer, shopping(stack.api_url, stack.token) as staff:
            customers = [Customer(buyer, staff, random.Random(dice.random()), sku) for _ in range(CUSTOMERS)]
            async with asyncio.TaskGroup() as group:
                group.create_task(going.kill(stack, names, dice))
                for customer in customers:
                    group.create_task(going.live(customer))
        sys.stdout.write(f"{going.report(time.monotonic() - begun)}\n")
        return await is_right(stack, going, sku, stock)


async def is_right(stack: RunningStack, going: Soak, sku: str, stock: int) -> bool:
    """Compare every order with its story and its stream, the provider's own tables and the shelf with ours, and audit.

    There were `stock` pieces of the goods before the first order.
    """
    await _at_rest(stack)
    wrong = await _wrong_endings(stack, going.told)
    misheard = await _misheard(stack, going.told)
    ours = await stack.rows("SELECT coalesce(sum(captured_amount - refunded_amount), 0)::bigint FROM orders")
    theirs = await stack.sandbox_rows(
        "SELECT coalesce(sum(captured_amount - refunded_amount), 0)::bigint FROM payment_intents"
    )
    shelf = await stack.rows("SELECT on_hand, reserved FROM stock_levels WHERE sku = $1", sku)
    left = [(stock - sum(one.ending.gone for one in going.told), 0)]
    broken = await stack.broken()
    followed = sum(one.heard is not None for one in going.told)
    sys.stdout.write(f"{len(going.told)} orders, {len(wrong)} with another end than their story's\n")
    sys.stdout.write(f"{followed} followed, {len(misheard)} of them told something else than their timeline\n")
    sys.stdout.write("".join(f"  {line}\n" for line in [*wrong, *misheard]))
    sys.stdout.write(f"kept by the books {ours[0][0]}, by the payment server {theirs[0][0]}\n")
    sys.stdout.write(f"on the shelf {shelf[0]}, by the stories {left[0]}; audit: {broken or 'clean'}\n")
    right = not (wrong or misheard or broken or going.failed)
    return bool(going.told) and right and ours == theirs and shelf == left


async def _wrong_endings(stack: RunningStack, told: Sequence[Told]) -> list[str]:
    rows = await stack.rows(
        "SELECT id::text, status, captured_amount - refunded_amount, ("
        "SELECT coalesce(-sum(delta), 0)::bigint FROM stock_movements m WHERE m.order_id = o.id) FROM orders o"
    )
    kept = dict(
        await stack.sandbox_rows(
            "SELECT order_id, sum(captured_amount - refunded_amount)::bigint FROM payment_intents GROUP BY order_id"
        )
    )
    ends = {order_id: (Ending(*ending), kept.get(order_id, 0)) for order_id, *ending in rows}
    return [
        f"{one.story} {one.order_id}: {ends.get(one.order_id)}, not {one.ending}"
        for one in told
        if ends.get(one.order_id) != (one.ending, one.ending.kept)
    ]


async def _misheard(stack: RunningStack, told: Sequence[Told]) -> list[str]:
    """Compare what was told to those who followed orders with the timelines: all of one that is over, else as far."""
    written: dict[str, list[Heard]] = {}
    for order_id, *entry in await stack.rows(
        "SELECT order_id::text, id, type, to_status FROM order_events ORDER BY id"
    ):
        written.setdefault(order_id, []).append(Heard(*entry))
    return [
        f"{one.story} {one.order_id}: {one.heard}, not {written.get(one.order_id)}"
        for one in told
        if one.heard is not None
        and list(one.heard) != written.get(one.order_id, [])[: None if one.heard_out else len(one.heard)]
    ]


async def _at_rest(stack: RunningStack) -> None:
    """Wait until no order is on its way and every message is sent or given up."""
    moving = (
        "SELECT 1 FROM orders WHERE status IN ('pending', 'cancelling')"
        " UNION ALL SELECT 1 FROM notifications WHERE state IN ('pending', 'sending') LIMIT 1"
    )
    async with asyncio.timeout(_REST_WITHIN):
        while await stack.rows(moving):  # noqa: ASYNC110 - what is waited for is in the database
            await asyncio.sleep(0.5)


def main() -> None:
    """Read the number of kills and the seed, and soak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    asked = parser.parse_args()
    sys.stdout.write(f"seed {asked.seed}, {asked.kills} kills\n")
    with tempfile.TemporaryDirectory(prefix="everorder-soak-") as folder:
        right = asyncio.run(soak(asked.kills, asked.seed, Path(folder)))
    sys.stdout.write("every invariant holds\n" if right else "something is wrong\n")
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
