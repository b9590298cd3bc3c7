"""Goods at several places, orders that hold them, and a look at what came of it."""

import asyncio
from uuid import UUID, uuid4

from sqlalchemy import text

from contracts.orders import Shortage
from db import inventory, locations, stock, stock_policies
from db.audit.stock import NOT_OVERSOLD, STOCK_AGREES
from db.locations import LocationRow
from db.stock import Adjustment, Level
from models.inventory import MovementReason
from tests.support.shop import Shop


async def goods(shop: Shop, stock: int = 0, **elsewhere: int) -> str:
    """Put a SKU on sale, with the movements that explain its stock: at `main`, and at other places by their names."""
    sku = await shop.buyable(stock=None)
    for place, quantity in {"main": stock, **elsewhere}.items():
        if quantity or place == "main":
            await shop.stock(sku, quantity, location=place)
        if quantity:
            await _explain(shop, sku, place, quantity)
    return sku


async def _explain(shop: Shop, sku: str, place: str, quantity: int) -> None:
    await shop.run(
        "INSERT INTO stock_movements (id, sku, location, delta, reason, actor, note)"
        " VALUES (uuidv7(), :sku, :place, :quantity, 'receipt', 'test', '')",
        sku=sku,
        place=place,
        quantity=quantity,
    )


async def place(
    shop: Shop, code: str, *, priority: int = 100, countries: tuple[str, ...] = (), active: bool = True
) -> str:
    """Open a place that holds stock."""
    async with shop.sessions.begin() as session:
        await locations.add(session, LocationRow(code, code.title(), priority, countries, active))
    return code


async def allow(shop: Shop, sku: str, limit: int = 0, low: int | None = None) -> None:
    """Decide how much of a SKU may be backordered, and how little of it is little."""
    async with shop.sessions.begin() as session:
        await stock_policies.decide(session, sku, limit, low, version=None)


async def receive(shop: Shop, sku: str, delta: int, location: str = "main") -> Level | None:
    """Adjust the stock of a SKU."""
    change = Adjustment(sku, location, delta, MovementReason.ADJUSTMENT, "", "test")
    async with shop.sessions.begin() as session:
        return await stock.adjust(session, change)


async def orders(shop: Shop, count: int, country: str | None = None) -> list[UUID]:
    """Write orders that hold nothing yet, each of a cart of its own."""
    made = [uuid4() for _ in range(count)]
    await shop.run(
        """
        INSERT INTO carts (id, status, checkout_attempt, currency)
        SELECT id, 'frozen', 1, 'GBP' FROM unnest(CAST(:ids AS uuid[])) AS c (id)
        """,
        ids=made,
    )
    await shop.run(
        """
        INSERT INTO orders (id, cart_id, checkout_attempt, status, payment_status, currency, subtotal_amount,
            discount_amount, shipping_amount, tax_amount, total_amount, captured_amount, refunded_amount,
            payment_attempt, shipping_address)
        SELECT id, id, 1, 'pending', 'none', 'GBP', 0, 0, 0, 0, 0, 0, 0, 1,
            jsonb_build_object('country', CAST(:country AS text))
        FROM unnest(CAST(:ids AS uuid[])) AS o (id)
        """,
        ids=made,
        country=country,
    )
    return made


async def hold(shop: Shop, order: UUID, *lines: tuple[str, int]) -> tuple[Shortage, ...]:
    """Hold lines for an order."""
    async with shop.sessions.begin() as session:
        return await inventory.hold(session, order, lines)


async def commit(shop: Shop, order: UUID) -> None:
    """Sell what an order holds."""
    async with shop.sessions.begin() as session:
        await inventory.commit(session, order)


async def release(shop: Shop, order: UUID) -> None:
    """Give back what an order holds or has bought."""
    async with shop.sessions.begin() as session:
        await inventory.release(session, order)


async def levels(shop: Shop, *skus: str) -> list[tuple[object, ...]]:
    """Read on hand, reserved, and the sum of the movements of each SKU at `main`."""
    return await shop.run(
        """
        SELECT on_hand, reserved, (
            SELECT coalesce(sum(delta), 0) FROM stock_movements m WHERE m.sku = s.sku AND m.location = s.location
        )::bigint
        FROM stock_levels s WHERE sku = ANY(CAST(:skus AS text[])) AND location = 'main'
        ORDER BY array_position(CAST(:skus AS text[]), sku)
        """,
        skus=list(skus),
    )


async def places(shop: Shop, order: UUID) -> list[tuple[object, ...]]:
    """List where what is reserved: SKU, location, quantity and state."""
    return await shop.run(
        "SELECT sku, location, quantity, state FROM reservations WHERE order_id = :id ORDER BY sku, location", id=order
    )


async def awaited(shop: Shop, sku: str) -> list[tuple[object, ...]]:
    """List what orders wait for, in their order: id, quantity and state."""
    return await shop.run(
        "SELECT order_id, quantity, state FROM backorders WHERE sku = :sku ORDER BY placed_at, created_at", sku=sku
    )


async def books_agree(shop: Shop) -> None:
    """Check I1 and I2 over the whole database, but for what is about states and lines of orders."""
    about_orders = {"reservation_fits_state", "reservation_equals_lines"}
    async with shop.sessions() as session:
        for check in (*STOCK_AGREES.checks, *NOT_OVERSOLD.checks):
            if check.name not in about_orders:
                assert (await session.execute(text(check.query))).all() == [], check.name


async def reservations(shop: Shop, order: UUID) -> list[tuple[object, ...]]:
    """List what is reserved: quantity and state."""
    return await shop.run("SELECT quantity, state FROM reservations WHERE order_id = :id ORDER BY sku", id=order)


async def somebody_waits(shop: Shop) -> None:
    """Wait until a statement in this database waits for a lock."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while not await shop.run(waiting):  # noqa: ASYNC110 - PostgreSQL tells nobody
        await asyncio.sleep(0.01)
