"""The fault table: what an order comes to when one call to its payment provider goes wrong in each way there is."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from rich.console import Console
from rich.table import Table

from cli.audit import audit
from contracts.orders import Cancel, PlaceOrder
from domain.order_states import OrderStatus
from sandbox.faults import FaultKind
from tests.support.lone_world import LoneWorld, lone_world
from tests.support.postgres import PostgresForTests
from tests.support.shopper import DECLINED, VISA
from tests.support.temporal import plain_client, running_temporal

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]

WAIT = timedelta(seconds=120)
TOO_SLOW = 7
"""Seconds; the provider's client gives up after five."""
AT_ONCE = 20
NO_FAULTS = {FaultKind.FORGET_KEYS, FaultKind.REFUSED, FaultKind.DECLINED, FaultKind.PENDING}
"""Harmless alone, or a clear answer, which an order does come to something else by."""
FAULTS: dict[str, tuple[FaultKind, ...]] = {
    **{kind: (kind,) for kind in FaultKind if kind not in NO_FAULTS},
    "lost, key forgotten": (FaultKind.DROP_AFTER, FaultKind.FORGET_KEYS),
    "three times in a row": (FaultKind.ERROR_BEFORE, FaultKind.RATE_LIMITED, FaultKind.DROP_AFTER),
}


@dataclass(frozen=True, slots=True)
class End:
    """What an order has come to: its state, what is charged and reserved at the provider, and the stock of ten."""

    status: str
    charged: tuple[int, ...]
    reserved: int
    stock: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.status} {sum(self.charged)}"


PLACED = End("placed", (1000,), 0, (9, 0))
CANCELLED = End("cancelled", (), 0, (10, 0))
UNPAID = End("payment_required", (), 0, (10, 1))


@dataclass(frozen=True, slots=True)
class Row:
    """A call that goes wrong, with this card; `cancelled` says that the order is cancelled as soon as it does."""

    operation: str
    end: End
    card: str = VISA
    cancelled: bool = False

    def __str__(self) -> str:
        return f"{self.operation}{', cancelled' if self.cancelled else ''}"


ROWS = (
    *(Row(operation, PLACED) for operation in ("create", "confirm", "capture")),
    *(Row(operation, CANCELLED, cancelled=True) for operation in ("create", "confirm", "capture", "refund")),
    Row("cancel", UNPAID, card=DECLINED),
    Row("cancel", CANCELLED, card=DECLINED, cancelled=True),
)


@pytest.fixture(scope="module")
async def lone(postgres: PostgresForTests) -> AsyncIterator[LoneWorld]:
    async with running_temporal() as environment, lone_world(postgres, await plain_client(environment)) as lone:
        yield lone


async def come_to(lone: LoneWorld, row: Row, kinds: tuple[FaultKind, ...]) -> End:
    """Place an order whose call goes wrong, and return what it comes to."""
    world = lone.world
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 1)), card=row.card)
    if row.operation == "refund":
        await world.client.place(order, wait=WAIT)
    for kind in kinds:
        await lone.sandbox.misbehave(
            kind, operation=row.operation, order_id=str(order.order_id), delay=TOO_SLOW if "slow" in kind else 0
        )
    if row.cancelled:
        await cancelled_when_it_goes_wrong(lone, row, order)
    else:
        await world.client.place(order, wait=WAIT)
    return End(
        (await world.order(order.order_id)).status,
        tuple(await world.charged(order.order_id)),
        await world.reserved_money(order.order_id),
        await world.stock(sku),
    )


async def cancelled_when_it_goes_wrong(lone: LoneWorld, row: Row, order: PlaceOrder) -> None:
    placing = asyncio.create_task(lone.world.client.place(order, wait=WAIT))
    if row.operation != "refund":
        hit = "SELECT 1 FROM faults WHERE order_id = $1 AND hits > 0"
        while not await lone.sandbox.fetch(hit, str(order.order_id)):  # noqa: ASYNC110 - the sandbox knows
            await asyncio.sleep(0.1)
    await lone.world.client.signal_cancel(order.order_id, Cancel())
    assert (await lone.world.ended(order.order_id)).status is OrderStatus.CANCELLED
    await placing


async def test_every_fault_of_every_call_ends_in_the_same_state_as_none(lone: LoneWorld) -> None:
    few = asyncio.Semaphore(AT_ONCE)

    async def cell(row: Row, fault: str) -> End:
        async with few:
            return await come_to(lone, row, FAULTS[fault])

    cells = [(row, fault) for row in ROWS for fault in FAULTS]
    async with lone.world.working():
        ends = dict(zip(cells, await asyncio.gather(*(cell(*one) for one in cells)), strict=True))
        report = await audit(
            lone.world.sessions,
            settled=True,
            provider=lone.world.provider,
            orders_client=lone.world.client,
            recheck=timedelta(seconds=20),
        )
    show(ends)

    assert {cell: end for cell, end in ends.items() if end != cell[0].end} == {}
    assert report.broken_checks == {}
    unharmed = "SELECT order_id FROM faults GROUP BY order_id HAVING sum(hits) = 0"
    assert await lone.sandbox.fetch(unharmed) == []


def show(ends: dict[tuple[Row, str], End]) -> None:
    """Print the table: a line for each fault, a column for each call."""
    table = Table("fault", *map(str, ROWS), title="What an order comes to, and what is charged", title_justify="left")
    for fault in FAULTS:
        table.add_row(fault, *(str(ends[row, fault]) for row in ROWS))
    Console(file=sys.stdout, width=220).print(table)
