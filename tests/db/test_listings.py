"""What the triggers keep true, whoever writes: the checks of the audit find nothing after any kind of edit."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import text

from db import catalog, product_lists
from db.audit.checks import count, examine
from db.audit.listings import LISTED_AS_IT_IS
from db.product_filters import ProductFilter
from db.product_lists import ProductSearch, ProductSort
from models.listings import SHARES
from tests.support.shop import Shop, opened_shop

GBP = ProductFilter(currency="GBP")


@pytest.fixture
async def shop(database: str) -> AsyncIterator[Shop]:
    async with opened_shop(database) as shop:
        await shop.run("TRUNCATE products, variants, prices, stock_levels, categories, known_words CASCADE")
        yield shop


async def broken(shop: Shop) -> dict[str, int]:
    async with shop.sessions() as session:
        findings = await examine(session, LISTED_AS_IT_IS.checks, {}, await count(session))
    return {finding.name: finding.broken for finding in findings if finding.broken}


async def found(shop: Shop, wanted: ProductFilter, sort: ProductSort = ProductSort.NEWEST) -> list[UUID]:
    async with shop.sessions() as session:
        part = await catalog.search(session, ProductSearch(wanted, sort, limit=100))
        return [product.id for product in part.products]


async def looked_for(shop: Shop, words: str) -> list[UUID]:
    return await found(shop, replace(GBP, text=words), ProductSort.RELEVANCE)


async def tree(shop: Shop) -> tuple[UUID, UUID, UUID]:
    """Make a category below a category, and one beside them."""
    home, kitchen, garden = [await shop.category(name) for name in ("home", "kitchen", "garden")]
    await shop.run("UPDATE categories SET parent_id = :home WHERE id = :kitchen", home=home, kitchen=kitchen)
    return home, kitchen, garden


async def in_category(shop: Shop, category: UUID) -> list[UUID]:
    [(slug,)] = await shop.run("SELECT slug FROM categories WHERE id = :id", id=category)
    return await found(shop, replace(GBP, category=str(slug)))


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE products SET title = 'Another title', vendor = 'Somebody', description = 'Else'",
        "UPDATE products SET attributes = '{\"size\": 7}'",
        "UPDATE products SET status = 'archived'",
        "UPDATE products SET status = 'active'",
        "UPDATE products SET slug = slug || '-2', seo_title = 'Found', version = version + 1",
        'UPDATE products SET images = \'[{"url": "https://x/}", "alt": "}"}]\', options = \'["}"]\'',
        "UPDATE products SET version = version + 1, title = 'Cup' WHERE title <> 'Mug'",
        "UPDATE variants SET weight = 7, barcode = '\"}', image = 'x}', position = -position",
        "UPDATE prices SET compare_at_amount = 900 WHERE currency = 'EUR'",
        "UPDATE categories SET slug = 'cellar' || slug",
        "UPDATE stock_levels SET on_hand = on_hand + 7",
        "UPDATE products SET category_id = NULL",
        "UPDATE variants SET active = false",
        "UPDATE variants SET active = false WHERE sku = 'CHEAP'",
        "UPDATE prices SET amount = amount + 7",
        "DELETE FROM prices",
        "DELETE FROM prices WHERE sku = 'CHEAP' AND currency = 'EUR'",
        "INSERT INTO prices (sku, currency, amount) VALUES ('CHEAP', 'USD', 5)",
        "INSERT INTO variants (sku, product_id, title, position) SELECT 'NEW', id, '', 9 FROM products LIMIT 1",
        "UPDATE categories SET parent_id = NULL",
        "UPDATE categories SET parent_id = (SELECT id FROM categories WHERE name = 'garden') WHERE name = 'kitchen'",
        "UPDATE categories SET parent_id = (SELECT id FROM categories WHERE name = 'garden') WHERE name = 'home'",
        "DELETE FROM products WHERE title = 'Bare'",
    ],
)
async def test_lists_follow_every_edit_whoever_makes_it(shop: Shop, edit: str) -> None:
    _, kitchen, _ = await tree(shop)
    await shop.product("CHEAP", "DEAR", title="Mug", prices={"GBP": 100, "EUR": 200}, category=kitchen)
    await shop.product("OTHER", title="Plate", status="draft", category=kitchen)
    await shop.product(title="Bare")
    assert await broken(shop) == {}
    await shop.run(edit)
    assert await broken(shop) == {}


async def test_a_product_is_listed_above_its_category_and_follows_it_where_it_is_moved(shop: Shop) -> None:
    home, kitchen, garden = await tree(shop)
    mug = await shop.product("MUG", category=kitchen)
    assert [await in_category(shop, each) for each in (home, kitchen, garden)] == [[mug], [mug], []]

    await shop.run("UPDATE categories SET parent_id = :garden WHERE id = :kitchen", garden=garden, kitchen=kitchen)
    assert [await in_category(shop, each) for each in (home, kitchen, garden)] == [[], [mug], [mug]]


async def test_products_and_their_category_that_change_at_once_leave_lists_true(shop: Shop) -> None:
    home, kitchen, garden = await tree(shop)
    products = [await shop.product(f"SKU-{number}") for number in range(4)]

    async def edit(product: UUID) -> None:
        async with shop.sessions.begin() as session:
            await session.execute(text("UPDATE products SET version = version + 1 WHERE id = :id"), {"id": product})
            await session.execute(
                text("UPDATE products SET category_id = :kitchen WHERE id = :id"), {"kitchen": kitchen, "id": product}
            )

    async def move(above: UUID) -> None:
        await shop.run("UPDATE categories SET parent_id = :above WHERE id = :kitchen", above=above, kitchen=kitchen)

    for _ in range(5):
        await asyncio.gather(*map(edit, products), move(garden), move(home))
        assert await broken(shop) == {}
        await shop.run("UPDATE products SET category_id = NULL")


async def test_a_product_whose_prices_and_articles_are_edited_at_once_is_shown_as_it_is(shop: Shop) -> None:
    await shop.product("MUG", "CUP", prices={"GBP": 100})
    edits = (
        "UPDATE products SET version = version + 1",
        "UPDATE products SET title = title || '!'",
        "UPDATE prices SET amount = amount + 1 WHERE sku = 'MUG'",
        "UPDATE prices SET amount = amount + 1 WHERE sku = 'CUP'",
        "UPDATE variants SET title = title || '!' WHERE sku = 'MUG'",
        "UPDATE variants SET active = NOT active WHERE sku = 'CUP'",
    )
    for _ in range(5):
        await asyncio.gather(*map(shop.run, edits))
        assert await broken(shop) == {}
    assert (await shop.run("SELECT version, title LIKE '%!!!!!' FROM products")) == [(6, True)]


async def test_an_edit_that_is_rolled_back_leaves_lists_as_they_were(shop: Shop) -> None:
    mug = await shop.product("MUG", title="Mug")
    async with shop.sessions() as session:
        await session.execute(text("UPDATE products SET title = 'Cup', status = 'archived'"))
        await session.rollback()
    assert await looked_for(shop, "mug") == [mug]
    assert await broken(shop) == {}


async def test_a_cursor_goes_on_where_it_was_while_products_come_go_and_change(shop: Shop) -> None:
    products = [await shop.product(f"SKU-{number}", prices={"GBP": 100 * number}) for number in range(10)]
    search = ProductSearch(GBP, ProductSort.PRICE, limit=3)
    walked: list[UUID] = []
    async with shop.sessions() as session:
        part = await catalog.search(session, search)
        while part.after:
            walked += [product.id for product in part.products]
            await shop.product(shop.sku("EARLIER"), prices={"GBP": 1})
            await shop.run("UPDATE products SET title = title || '!'")
            if len(walked) == 3:
                await shop.run("UPDATE products SET status = 'archived' WHERE id = :id", id=products[1])
                await shop.run("UPDATE products SET status = 'archived' WHERE id = :id", id=products[7])
            await session.rollback()
            part = await catalog.search(session, replace(search, after=part.after))
    walked += [product.id for product in part.products]
    assert walked == [each for each in products if each != products[7]]


@pytest.mark.parametrize(
    ("typed", "found_by_it"),
    [
        ("enamel mug", True),
        ("ENAMEL", True),
        ("enam", True),
        ("mug ename", True),
        ("enmael", True),
        ("enamle mug", True),
        ("cafe", True),
        ("CAFÉ", True),
        ("ab-100/x", True),
        ("AB-10", True),
        ("b-100", False),
        ("tested", False),
        ("enamel plate", False),
        ("' | ! & (", False),
        ("'", False),
        ("\\", False),
        (":*", False),
    ],
)
async def test_a_product_is_found_by_beginnings_and_in_spite_of_slips(
    shop: Shop, typed: str, found_by_it: bool
) -> None:
    mug = await shop.product("AB-100/X", "it's\\odd", title="Enamel mug, Café edition")
    await shop.product("OTHER", title="Wooden bowl")
    assert await looked_for(shop, typed) == ([mug] if found_by_it else [])


async def test_a_slip_is_taken_for_the_most_similar_of_all_words(shop: Shop) -> None:
    words = [
        "balmaport",
        "baloport",
        "balover",
        "quinuvale",
        "quivale",
        "tamaness",
        "tamoness",
        "teapot",
        "teaport",
        "enamel",
    ]
    for word in words:
        await shop.product(title=word)
    slips = ("balokport", "quifnuvale", "tamodness", "teaptos", "enmael", "enamle", "tamness", "blaoport", "xyzzy")
    compared = await shop.run(
        "SELECT typed, intended(typed), coalesce(("
        " SELECT word FROM known_words WHERE named AND similarity(word, typed) >= CAST(0.25 AS real)"
        " ORDER BY similarity(word, typed) DESC, word LIMIT 1), typed)"
        " FROM unnest(CAST(:slips AS text[])) AS t (typed)",
        slips=list(slips),
    )
    assert [intended for _, intended, _ in compared] == [most for _, _, most in compared]
    assert {typed: intended for typed, intended, _ in compared if intended in {typed, "enamel", "teapot"}} == {
        "enmael": "enamel",
        "enamle": "enamel",
        "teaptos": "teapot",
        "xyzzy": "xyzzy",
    }


async def test_what_is_in_the_title_ranks_above_what_is_in_the_description(shop: Shop) -> None:
    described = await shop.product("ONE", title="Plate")
    await shop.run("UPDATE products SET description = 'Goes with every teapot'")
    titled = await shop.product("TWO", title="Teapot")
    assert await looked_for(shop, "teapot") == [titled, described]


async def test_a_word_of_a_description_is_not_taken_for_a_slip_of_one_in_a_title(shop: Shop) -> None:
    described = await shop.product("ONE", title="Bowl")
    await shop.run("UPDATE products SET description = 'From our workshops'")
    await shop.product("TWO", title="Worktop")
    assert (await looked_for(shop, "workshops"))[0] == described


async def test_whole_words_are_found_before_more_beginnings_than_are_ranked(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product_lists, "_MOST_RANKED", 2)
    for sku in ("ONE", "TWO", "THREE"):
        await shop.product(sku, title="Mugwort")
    whole = await shop.product("FOUR", title="Mug")
    found_by_it = await looked_for(shop, "mug")
    assert (len(found_by_it), whole in found_by_it) == (2, True)


@pytest.mark.parametrize("longer", ["Mugwort", "Mug-wort", "Mug2", "MUG/2000", "Mug" + 30 * "s"])
async def test_a_word_that_goes_on_in_any_way_is_found_by_its_beginning(shop: Shop, longer: str) -> None:
    products = [await shop.product(sku, title=title) for sku, title in (("ONE", "Mug"), ("TWO", longer))]
    assert await shop.run("SELECT CAST(search_query('mug') AS text)") == [("'mug':*",)]
    assert set(await looked_for(shop, "mug")) == set(products)


async def test_a_word_that_nothing_goes_on_from_is_looked_for_as_it_is(shop: Shop) -> None:
    await shop.product("ONE", title="Mugwort tea")
    await shop.product("TWO", title="Mu")
    assert await shop.run("SELECT CAST(search_query('mugwort TEA mu t') AS text)") == [
        ("'mugwort' & 'tea' & 'mu':* & 't':*",)
    ]


async def test_every_product_is_in_one_of_the_shares_that_a_search_looks_into(shop: Shop) -> None:
    among = ", ".join(f"count(*) FILTER (WHERE {share})" for share in (*SHARES, f"({') OR ('.join(SHARES)})"))
    drawn = "SELECT CAST(repeat('f', 30) || lpad(to_hex(n), 2, '0') AS uuid) FROM generate_series(0, 255) n"
    counted = await shop.run(f"SELECT {among} FROM ({drawn}) AS products (product_id)")
    assert counted == [(1, 7, 56, 192, 256)]


async def test_products_of_every_share_are_found_and_the_most_relevant_is_first(shop: Shop) -> None:
    products = {await shop.product(f"SKU-{number}", title="Plate, fits a mug") for number in range(60)}
    best = await shop.product("BEST", title="Mug, mug, mug")
    found_by_it = await looked_for(shop, "mug")
    assert (found_by_it[0], set(found_by_it)) == (best, products | {best})


async def test_a_draft_is_not_found(shop: Shop) -> None:
    await shop.product("MUG", title="Mug", status="draft")
    assert await looked_for(shop, "mug") == []


@pytest.mark.parametrize("typed", ["alpina", "alpina-7", "ALPINA-70/X", "alpina-7 mug"])
async def test_what_a_sku_begins_with_is_not_taken_for_a_slip_of_a_word(shop: Shop, typed: str) -> None:
    mug = await shop.product("ALPINA-70/X", title="Mug")
    await shop.product("OTHER", title="Alpine bowl")
    assert await looked_for(shop, typed) == [mug]


async def test_a_word_with_a_number_behind_it_is_found_by_both(shop: Shop) -> None:
    cable = await shop.product("ONE", title="Cable usb-312")
    await shop.product("TWO", title="Cable usb-4")
    assert await looked_for(shop, "usb-312") == [cable]


@pytest.mark.parametrize("sort", [ProductSort.NEWEST, ProductSort.TITLE, ProductSort.PRICE, ProductSort.PRICE_DESC])
async def test_attributes_are_found_by_their_values_however_these_are_written(shop: Shop, sort: ProductSort) -> None:
    small = await shop.product("SMALL", prices={"GBP": 100})
    await shop.product("LARGE", prices={"GBP": 200})
    attributes = "UPDATE products SET attributes = CAST(:attributes AS jsonb) WHERE id = :id"
    await shop.run(
        attributes, id=small, attributes='{"size": 1.50, "waterproof": true, "colour": "red", "tags": ["a", "b"]}'
    )

    for wanted in (
        '{"size": 1.5}',
        '{"waterproof": true, "size": 15e-1}',
        '{"colour": "red"}',
        '{"tags": ["b"], "colour": "red"}',
        '{"tags": ["b", "a"]}',
    ):
        assert await found(shop, replace(GBP, attributes=wanted), sort) == [small]
    for other in (
        '{"size": 2}',
        '{"waterproof": false}',
        '{"colour": "red", "size": 2}',
        '{"colour": "Red"}',
        '{"tags": ["c"]}',
        '{"tags": ["a", "c"]}',
    ):
        assert await found(shop, replace(GBP, attributes=other), sort) == []
