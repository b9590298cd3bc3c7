import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from sqlalchemy import text

from cli.retail.day import survey
from cli.retail.importing import ImportReport, import_day
from cli.retail.problems import FileRefusedError
from cli.seed import demo_catalogue, seed
from db import tax_rules
from db.engine import Sessions, create_engine, create_sessions
from db.stocking import (
    NewCategory,
    NewProduct,
    NewVariant,
    Receipt,
    add_categories,
    add_products,
    one_at_a_time,
    receive,
)
from domain.money import Money
from tests.support.postgres import PostgresForTests
from tests.support.retail import write_day, write_rows

TABLES = (
    *("categories", "products", "variants", "prices", "stock_levels", "stock_movements"),
    *("promotions", "tax_rules", "price_rule_changes"),
)


@pytest.fixture
def database_url(postgres: PostgresForTests) -> str:
    return postgres.migrated()


@pytest.fixture
async def sessions(database_url: str) -> AsyncIterator[Sessions]:
    engine = create_engine(database_url, pool_size=4)
    yield create_sessions(engine)
    await engine.dispose()


async def rows(sessions: Sessions, query: str) -> list[tuple[object, ...]]:
    async with sessions() as session:
        return [tuple(row) for row in await session.execute(text(query))]


async def contents(sessions: Sessions) -> Mapping[str, list[tuple[object, ...]]]:
    return {table: await rows(sessions, f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}


async def on_hand(sessions: Sessions) -> dict[object, object]:
    return dict(await rows(sessions, "SELECT sku, on_hand FROM stock_levels"))  # type: ignore[arg-type]


async def unexplained_levels(sessions: Sessions) -> list[tuple[object, ...]]:
    return await rows(
        sessions,
        """
        SELECT sku, location, on_hand, coalesce(sum(delta), 0) FROM stock_levels
        LEFT JOIN stock_movements USING (sku, location)
        GROUP BY sku, location, on_hand HAVING on_hand <> coalesce(sum(delta), 0)
        """,
    )


def lantern(slug: str = "lantern", title: str = "Lantern", pence: int = 339) -> NewProduct:
    return NewProduct(slug, title, "", "garden", (NewVariant("71053", "", (Money(pence, "GBP"),)),))


async def test_categories_find_their_parents_in_any_order(sessions: Sessions) -> None:
    tree = [NewCategory("lights", "Lights", "garden"), NewCategory("garden", "Garden")]
    async with sessions.begin() as session:
        assert await add_categories(session, tree) == 2
        assert await add_categories(session, tree) == 0
    named = "SELECT c.slug, p.slug FROM categories c LEFT JOIN categories p ON p.id = c.parent_id ORDER BY 1"
    assert await rows(sessions, named) == [("garden", None), ("lights", "garden")]


async def test_a_known_product_keeps_its_title_and_price_and_gains_only_what_is_missing(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        assert await add_products(session, [lantern()]) == 1
    changed = NewProduct(
        "lantern",
        "Other title",
        "",
        "garden",
        (
            NewVariant("71053", "", (Money(999, "GBP"), Money(400, "EUR"))),
            NewVariant("71054", "Small", (Money(239, "GBP"),)),
        ),
    )
    async with sessions.begin() as session:
        assert await add_products(session, [changed]) == 0
    assert await rows(sessions, "SELECT title FROM products") == [("Lantern",)]
    assert await rows(sessions, "SELECT sku, currency, amount FROM prices ORDER BY 1, 2") == [
        ("71053", "EUR", 400),
        ("71053", "GBP", 339),
        ("71054", "GBP", 239),
    ]


async def test_a_sku_under_a_new_title_does_not_become_a_second_product(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        await add_products(session, [lantern()])
        assert await add_products(session, [lantern("white-lantern", "White lantern")]) == 0
    assert await rows(sessions, "SELECT slug FROM products") == [("lantern",)]


async def test_a_delivery_is_received_once_and_another_one_is_added(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        await add_products(session, [lantern()])
        assert await receive(session, [Receipt("71053", 6)], note="monday") == 6
    async with sessions.begin() as session:
        assert await receive(session, [Receipt("71053", 6)], note="monday") == 0
        assert await receive(session, [Receipt("71053", 4)], note="tuesday") == 4
    assert await on_hand(sessions) == {"71053": 10}
    movements = "SELECT delta, reason, actor, note, order_id FROM stock_movements ORDER BY id"
    assert await rows(sessions, movements) == [
        (6, "receipt", "system", "monday", None),
        (4, "receipt", "system", "tuesday", None),
    ]


async def test_receiving_nothing_makes_a_level_without_a_movement(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        await add_products(session, [lantern()])
        assert await receive(session, [Receipt("71053", 0)], note="monday") == 0
    assert await on_hand(sessions) == {"71053": 0}
    assert await rows(sessions, "SELECT * FROM stock_movements") == []


async def test_a_delivery_that_two_receive_at_once_arrives_once(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        await add_products(session, [lantern()])

    async def delivered() -> int:
        async with sessions.begin() as session:
            await one_at_a_time(session)
            return await receive(session, [Receipt("71053", 6)], note="monday")

    received = await asyncio.gather(*(delivered() for _ in range(4)))
    assert sorted(received) == [0, 0, 0, 6]
    assert await on_hand(sessions) == {"71053": 6}


async def test_importing_a_day_twice_changes_nothing(sessions: Sessions, database_url: str, tmp_path: Path) -> None:
    written = write_day(tmp_path / "day.csv")
    day = survey(written.path)
    units = written.sold.total()
    assert await import_day(day, database_url) == ImportReport(len(written.sold), units, len(written.sold), units)
    imported = await contents(sessions)
    written.path.rename(tmp_path / "same-day.csv")
    again = survey(tmp_path / "same-day.csv")
    assert await import_day(again, database_url) == ImportReport(len(written.sold), units, 0, 0)
    assert await contents(sessions) == imported
    assert await on_hand(sessions) == dict(written.sold)
    assert await unexplained_levels(sessions) == []


async def test_another_day_adds_its_stock_and_leaves_the_catalogue(
    sessions: Sessions, database_url: str, tmp_path: Path
) -> None:
    monday = write_day(tmp_path / "monday.csv")
    tuesday = write_day(tmp_path / "tuesday.csv", invoices=3, first=800_001)
    await import_day(survey(monday.path), database_url)
    before = await contents(sessions)
    report = await import_day(survey(tuesday.path), database_url)
    after = await contents(sessions)
    assert (report.new_products, report.received_units) == (0, tuesday.sold.total())
    assert all(before[table] == after[table] for table in ("categories", "products", "variants", "prices"))
    assert await on_hand(sessions) == dict(monday.sold + tuesday.sold)
    assert await unexplained_levels(sessions) == []


async def test_skus_that_differ_in_case_only_are_two_products(
    sessions: Sessions, database_url: str, tmp_path: Path
) -> None:
    await import_day(survey(write_day(tmp_path / "day.csv").path), database_url)
    found = await rows(sessions, "SELECT sku, slug FROM variants JOIN products p ON p.id = product_id ORDER BY slug")
    assert [row for row in found if str(row[0]).upper() == "85123A"] == [
        ("85123A", "white-hanging-heart-t-light-holder-85123a"),
        ("85123a", "white-hanging-heart-t-light-holder-85123a-2ef2c5"),
    ]


async def test_a_refused_file_imports_nothing(sessions: Sessions, database_url: str, tmp_path: Path) -> None:
    day = ("1", "71053", "LANTERN", "6", "2026-03-02", "3.39", "", "France")
    file = write_rows(tmp_path / "day.csv", [day, ("1", "71053", "LANTERN", "x", "2026-03-02", "3.39", "", "France")])
    with pytest.raises(FileRefusedError, match="line 3: Quantity is not a number: 'x'"):
        await import_day(survey(file), database_url)
    assert all(not found for found in (await contents(sessions)).values())


async def test_an_import_that_fails_on_the_way_leaves_nothing(
    sessions: Sessions, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> int:
        raise RuntimeError

    monkeypatch.setattr("cli.retail.importing.receive", refuse)
    with pytest.raises(RuntimeError):
        await import_day(survey(write_day(tmp_path / "day.csv").path), database_url)
    assert all(not found for found in (await contents(sessions)).values())


async def test_seeding_twice_changes_nothing(sessions: Sessions, database_url: str) -> None:
    catalogue = demo_catalogue()
    assert await seed(database_url) == len(catalogue.products)
    seeded = await contents(sessions)
    assert await seed(database_url) == len(catalogue.products)
    assert await contents(sessions) == seeded
    assert await on_hand(sessions) == {receipt.sku: receipt.quantity for receipt in catalogue.receipts}
    assert await unexplained_levels(sessions) == []


async def test_seeding_again_never_resets_what_was_sold_or_edited(sessions: Sessions, database_url: str) -> None:
    await seed(database_url)
    async with sessions.begin() as session:
        await session.execute(text("UPDATE stock_levels SET on_hand = on_hand - 1 WHERE sku = 'KNIFE-CHEF-20'"))
        await session.execute(text("UPDATE products SET title = 'Mine', status = 'draft' WHERE slug = 'chefs-knife'"))
        await session.execute(text("UPDATE prices SET amount = 1 WHERE sku = 'KNIFE-CHEF-20' AND currency = 'GBP'"))
    edited = await contents(sessions)
    await seed(database_url)
    assert await contents(sessions) == edited


async def test_seeding_again_brings_no_promotion_back_that_was_removed(sessions: Sessions, database_url: str) -> None:
    await seed(database_url)
    assert [row[0] for row in await rows(sessions, "SELECT code FROM promotions ORDER BY code")] == [
        "NOTEBOOKS-6-FOR-5",
        "WELCOME10",
    ]
    async with sessions.begin() as session:
        await session.execute(text("DELETE FROM promotions"))
        await session.execute(text("DELETE FROM tax_rules WHERE country = 'DE'"))
    await seed(database_url)
    assert await rows(sessions, "SELECT code FROM promotions") == []
    assert await rows(sessions, "SELECT country, included FROM tax_rules") == [("GB", True)]


async def test_a_shop_with_a_tax_of_its_own_keeps_it(sessions: Sessions, database_url: str) -> None:
    async with sessions.begin() as session:
        own = {"country": "GB", "region": "", "name": "Mine", "included": False, "rounding": "line", "rates": {}}
        await tax_rules.create(session, own)
    await seed(database_url)
    assert await rows(sessions, "SELECT country, name FROM tax_rules ORDER BY country") == [
        ("DE", "MwSt."),
        ("GB", "Mine"),
    ]


def test_the_demo_catalogue_is_whole() -> None:
    catalogue = demo_catalogue()
    slugs = {category.slug for category in catalogue.categories}
    variants = [variant for product in catalogue.products for variant in product.variants]
    stock = {receipt.sku: receipt.quantity for receipt in catalogue.receipts}
    assert 30 <= len(catalogue.products) <= 60
    assert len({product.slug for product in catalogue.products}) == len(catalogue.products)
    assert len({variant.sku for variant in variants}) == len(variants) == len(stock)
    assert {product.category for product in catalogue.products} <= slugs
    assert {category.parent for category in catalogue.categories if category.parent} <= slugs
    assert all(len(product.description) > 60 for product in catalogue.products)
    assert all({price.currency for price in variant.prices} == {"GBP", "EUR", "USD"} for variant in variants)
    assert min(stock.values()) == 0
    assert {sku for promotion in catalogue.promotions for sku in promotion.target.skus} <= set(stock)
