"""A small shop to test against: products that each test makes for itself, and a look at every table."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import CursorResult, text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.engine import Sessions, create_engine, create_sessions
from models.columns import new_id

_WATCHED = ("carts", "cart_lines", "stock_levels", "stock_movements", "locations", "orders", "reservations", "products")


@dataclass
class Shop:
    """Fills one database. SKUs are drawn anew (`shop.sku("MUG")`), so tests share the tables without meeting."""

    engine: AsyncEngine
    sessions: Sessions = field(init=False)

    def __post_init__(self) -> None:
        self.sessions = create_sessions(self.engine)

    def sku(self, stem: str = "SKU") -> str:
        return f"{stem}-{new_id().hex[-12:]}"

    async def category(self, name: str) -> UUID:
        category = new_id()
        await self._write(
            "INSERT INTO categories (id, slug, name) VALUES (:id, :slug, :name)",
            {"id": category, "slug": f"{name.lower()}-{category.hex[-12:]}", "name": name},
        )
        return category

    async def product(
        self,
        *skus: str,
        title: str = "Enamel mug",
        variant_title: str = "",
        status: str = "active",
        prices: dict[str, int] | None = None,
        stock: int | None = 100,
        category: UUID | None = None,
    ) -> UUID:
        """Make a product with one variant for each SKU, all at the same price and stock."""
        product = new_id()
        await self._write(
            "INSERT INTO products (id, slug, title, description, status, category_id)"
            " VALUES (:id, :slug, :title, 'Made for a test', :status, :category)",
            {"id": product, "slug": f"p-{product.hex}", "title": title, "status": status, "category": category},
        )
        for position, sku in enumerate(skus):
            await self._write(
                "INSERT INTO variants (sku, product_id, title, position) VALUES (:sku, :product, :title, :position)",
                {"sku": sku, "product": product, "title": variant_title, "position": position},
            )
            for currency, amount in ({"GBP": 1000} if prices is None else prices).items():
                await self.price(sku, amount, currency)
            if stock is not None:
                await self.stock(sku, stock)
        return product

    async def buyable(self, stem: str = "SKU", *, amount: int = 1000, stock: int | None = 100) -> str:
        """Make a product with one variant and return its SKU."""
        sku = self.sku(stem)
        await self.product(sku, prices={"GBP": amount}, stock=stock)
        return sku

    async def price(self, sku: str, amount: int, currency: str = "GBP") -> None:
        await self._write(
            "INSERT INTO prices (sku, currency, amount) VALUES (:sku, :currency, :amount)"
            " ON CONFLICT (sku, currency) DO UPDATE SET amount = excluded.amount",
            {"sku": sku, "currency": currency, "amount": amount},
        )

    async def stock(self, sku: str, on_hand: int, reserved: int = 0, location: str = "main") -> None:
        await self._write(
            "INSERT INTO stock_levels (sku, location, on_hand, reserved) VALUES (:sku, :location, :on_hand, :reserved)",
            {"sku": sku, "location": location, "on_hand": on_hand, "reserved": reserved},
        )

    async def run(self, statement: str, **values: object) -> list[tuple[object, ...]]:
        """Run one statement and return its rows."""
        async with self.sessions.begin() as session:
            result = await session.execute(text(statement), values)
            return [tuple(row) for row in result] if isinstance(result, CursorResult) and result.returns_rows else []

    async def contents(self) -> dict[str, list[tuple[object, ...]]]:
        """Read every table that a request could change, to tell that one did not."""
        return {table: await self.run(f"SELECT * FROM {table} ORDER BY 1, 2") for table in _WATCHED}

    async def _write(self, statement: str, values: dict[str, object]) -> None:
        async with self.sessions.begin() as session:
            await session.execute(text(statement), values)


@asynccontextmanager
async def opened_shop(database_url: str, *, pool_size: int = 10) -> AsyncIterator[Shop]:
    """Open the shop in a database, and close its connections again."""
    engine = create_engine(database_url, pool_size=pool_size)
    try:
        yield Shop(engine)
    finally:
        await engine.dispose()
