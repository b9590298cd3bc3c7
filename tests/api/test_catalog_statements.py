"""How often PostgreSQL is asked for each read of the catalogue: always the same, however much there is to show."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from asyncpg.connection import LoggedQuery
from fastapi import FastAPI
from sqlalchemy import event

from tests.api.answers import body
from tests.support.shop import Shop


class Asked:
    """Counts what connections that are made from now on are asked."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def connected(self, connection: Any, _record: object) -> None:
        connection.driver_connection.add_query_logger(self._heard)

    def _heard(self, query: LoggedQuery) -> None:
        self.statements.append(query.query)


@pytest.fixture
async def asked(app: FastAPI, shop: Shop) -> AsyncIterator[Asked]:
    await shop.run("TRUNCATE products, categories, attributes CASCADE")
    await shop.run("INSERT INTO attributes VALUES ('colour', 'text')")
    asked, engine = Asked(), app.state.resources.engine
    event.listen(engine.sync_engine, "connect", asked.connected)
    await engine.dispose()
    yield asked
    event.remove(engine.sync_engine, "connect", asked.connected)
    await engine.dispose()


@pytest.fixture
async def reader(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://shop.example") as client:
        yield client


async def fill(shop: Shop, products: int) -> str:
    category = await shop.category("Kitchen")
    for number in range(products):
        skus = [f"SKU-{products}-{number}-{size}" for size in range(1 + number % 4)]
        await shop.product(*skus, title=f"Mug {number}", category=category, prices={"GBP": 100 + number, "EUR": 9})
    await shop.run("""UPDATE products SET attributes = '{"colour": "red"}'""")
    [(slug,)] = await shop.run("SELECT slug FROM categories WHERE id = :id", id=category)
    return str(slug)


@pytest.mark.parametrize(
    ("path", "statements"),
    [
        ("/v1/products", 1),
        ("/v1/products?sort=title", 1),
        ("/v1/products?sort=price_desc&category={category}", 1),
        ("/v1/products?min_price=1&max_price=10000&in_stock=true", 1),
        ("/v1/products?attribute=colour:red&in_stock=false", 2),
        ("/v1/products?q=mug", 1),
        ("/v1/products?q=mgu&sort=price&category={category}", 1),
        ("/v1/products/facets?category={category}", 1),
        ("/v1/products/facets?q=mug&attribute=colour:red", 2),
        ("/v1/products/{product}", 1),
        ("/v1/products/{slug}", 1),
    ],
)
async def test_a_read_takes_the_same_statements_however_many_products_there_are(
    reader: httpx2.AsyncClient, shop: Shop, asked: Asked, path: str, statements: int
) -> None:
    for products in (2, 12):
        category = await fill(shop, products)
        [(product, slug)] = await shop.run("SELECT id, slug FROM products LIMIT 1")
        address = path.format(category=category, product=product, slug=slug)
        body(await reader.get(address))
        await asyncio.sleep(0)  # the driver tells of a statement after it has answered
        asked.statements.clear()
        body(await reader.get(address))
        await asyncio.sleep(0)
        assert len(asked.statements) == statements, asked.statements
