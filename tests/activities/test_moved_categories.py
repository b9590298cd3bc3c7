"""A category with more products than a request has time for: it is moved at once, and its lists follow."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from temporalio.testing import ActivityEnvironment

from activities.moved_categories import MovedCategoryChores
from db import moved_categories
from db.audit.checks import count, examine
from db.audit.listings import LISTED_AS_IT_IS
from tests.support.postgres import PostgresForTests
from tests.support.shop import Shop, opened_shop

MANY = 1_001
_PRODUCTS = """
INSERT INTO products (id, slug, title, description, status, category_id)
SELECT gen_random_uuid(), 'p-' || n, 'Product ' || n, '', 'active', :category
FROM generate_series(1, CAST(:many AS integer)) n
"""
_ARTICLES = (
    "INSERT INTO variants (sku, product_id, title, position) SELECT slug, id, '', 0 FROM products",
    "INSERT INTO prices (sku, currency, amount) SELECT sku, 'GBP', 100 FROM variants",
)


class Tree:
    """Very many products in the kitchen, which is below the home; the garden is beside it."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    async def grow(self) -> None:
        self.places = [await self.shop.category(name) for name in ("home", "kitchen", "garden")]
        self.home, self.kitchen, self.garden = self.places
        await self.move(self.home)
        await self.shop.run(_PRODUCTS, category=self.kitchen, many=MANY)
        for statement in _ARTICLES:
            await self.shop.run(statement)

    async def move(self, above: UUID) -> None:
        await self.shop.run("UPDATE categories SET parent_id = :above WHERE id = :id", above=above, id=self.kitchen)

    async def listed(self) -> list[int]:
        """Count what is listed in home, kitchen and garden."""
        counted = "SELECT count(*) FROM listings WHERE category_id = :id"
        return [int(str((await self.shop.run(counted, id=one))[0][0])) for one in self.places]

    async def relist(self, at_once: int = 400) -> int:
        done: int = await ActivityEnvironment().run(MovedCategoryChores(self.shop.sessions, at_once).relist)
        return done

    async def one_batch(self, most: int = 400) -> int | None:
        async with self.shop.sessions.begin() as session:
            return await moved_categories.relist(session, most=most)

    async def broken(self) -> dict[str, int]:
        async with self.shop.sessions() as session:
            findings = await examine(session, LISTED_AS_IT_IS.checks, {}, await count(session))
        return {finding.name: finding.broken for finding in findings if finding.broken}


@pytest.fixture
async def tree(postgres: PostgresForTests) -> AsyncIterator[Tree]:
    async with opened_shop(postgres.migrated()) as shop:
        tree = Tree(shop)
        await tree.grow()
        yield tree


async def test_lists_follow_a_large_category_and_what_is_edited_meanwhile_is_listed_where_it_belongs(
    tree: Tree,
) -> None:
    await tree.move(tree.garden)
    assert await tree.listed() == [MANY, MANY, 0]
    assert await tree.broken() == {}

    await tree.shop.run("UPDATE products SET title = 'Edited' WHERE slug = 'p-7'")
    await tree.shop.run("UPDATE products SET category_id = NULL WHERE slug = 'p-8'")
    await tree.shop.product("NEW", category=tree.kitchen)
    assert await tree.listed() == [MANY - 2, MANY, 2]

    assert await tree.relist() == MANY
    assert await tree.listed() == [0, MANY, MANY]
    assert await tree.broken() == {}
    assert await tree.shop.run("SELECT * FROM moved_categories") == []
    assert await tree.relist() == 0


async def test_lists_that_were_interrupted_go_on_and_begin_anew_when_the_category_is_moved_again(tree: Tree) -> None:
    await tree.move(tree.garden)
    assert [await tree.one_batch(), await tree.one_batch()] == [400, 400]
    assert await tree.listed() == [201, MANY, 800]
    await tree.shop.run("DELETE FROM categories WHERE id = :home", home=tree.home)

    attic = await tree.shop.category("attic")
    await tree.move(attic)
    assert await tree.relist() == MANY
    assert await tree.listed() == [0, MANY, 0]
    assert await tree.shop.run("SELECT count(*) FROM listings WHERE category_id = :id", id=attic) == [(MANY,)]
    assert await tree.broken() == {}


async def test_lists_agree_after_moves_edits_and_two_chores_at_once(tree: Tree) -> None:
    async def edits() -> None:
        for number in range(1, 1_001, 100):
            await tree.shop.run(f"UPDATE products SET category_id = NULL WHERE slug = 'p-{number}'")
            await tree.shop.run(f"UPDATE prices SET amount = 7 WHERE sku = 'p-{number + 1}'")

    async def moves() -> None:
        for above in (tree.garden, tree.home, tree.garden):
            await tree.move(above)
            await tree.one_batch(150)

    await asyncio.gather(moves(), edits(), tree.relist(150), tree.relist(150))
    await tree.relist()
    assert await tree.listed() == [0, MANY - 10, MANY - 10]
    assert await tree.broken() == {}


async def test_lists_do_not_wait_for_products_that_somebody_keeps_for_long(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moved_categories, "SOON", text("SET LOCAL lock_timeout = '100ms'"))
    await tree.move(tree.garden)
    async with tree.shop.sessions.begin() as importing:
        await importing.execute(text("SELECT FROM products FOR UPDATE"))
        with pytest.raises(DBAPIError, match="lock timeout"):
            await tree.one_batch()
    assert await tree.relist() == MANY
    assert await tree.broken() == {}


async def test_a_moved_category_that_has_no_products_any_more_is_done(tree: Tree) -> None:
    await tree.move(tree.garden)
    await tree.shop.run("UPDATE products SET category_id = NULL")
    assert await tree.relist() == 0
    assert await tree.shop.run("SELECT * FROM moved_categories") == []
    assert await tree.broken() == {}
