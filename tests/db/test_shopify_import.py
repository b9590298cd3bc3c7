"""Product CSVs of Shopify into a real database, by the command that an operator types."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from typer.testing import CliRunner, Result

from cli import importing
from cli.shopify.importing import ImportOptions, import_file
from db import attributes
from db.engine import create_engine, create_sessions
from db.imports import applying, comparing, files, staging
from db.imports.applying import ImportCounts
from domain.errors import InUseError
from domain.merchandise import Refusal
from models.catalog import AttributeType
from settings import get_settings
from tests.support.postgres import PostgresForTests
from tests.support.shelf import OPTIONS, STAGED, TABLES, Shelf, Silent
from tests.support.shopify import MEDIUM, SHIRT, Cells, content, plain, write


@pytest.fixture(scope="module")
def database_url(postgres: PostgresForTests) -> str:
    return postgres.migrated()


@pytest.fixture(scope="module")
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(database_url, pool_size=4)
    yield engine
    await engine.dispose()


@pytest.fixture
async def shelf(engine: AsyncEngine, database_url: str, tmp_path: Path) -> Shelf:
    shelf = Shelf(create_sessions(engine), database_url, tmp_path)
    await shelf.empty()
    return shelf


@pytest.fixture
def command(database_url: str, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


async def test_a_new_product_is_there_with_all_that_its_rows_say(shelf: Shelf) -> None:
    assert await shelf.done(SHIRT, MEDIUM) == ImportCounts(new_products=1, new_variants=2, prices=2, units=3)
    assert await shelf.rows(
        "SELECT p.slug, title, description, status, c.name, vendor, options, attributes, images, seo_title,"
        " seo_description, p.version FROM products p JOIN categories c ON c.id = category_id"
    ) == [
        (
            "blue-shirt",
            "Blue shirt",
            "Cotton & linen",
            "active",
            "Shirts",
            "Example & Sons",
            ["Size"],
            {"tags": ["men", "summer"], "google_gender": "male"},
            [{"url": "https://images.example/blue.jpg", "alt": "Front"}],
            "A blue shirt",
            "Buy it",
            1,
        )
    ]
    assert await shelf.rows(
        "SELECT sku, title, position, active, options, weight, tax_category, barcode, image FROM variants ORDER BY sku"
    ) == [
        ("SHIRT-M", "Medium", 1, True, {"Size": "Medium"}, 0, "standard", "", ""),
        (
            "SHIRT-S",
            "Small",
            0,
            True,
            {"Size": "Small"},
            250,
            "standard",
            "5012345678900",
            "https://images.example/small.jpg",
        ),
    ]
    assert await shelf.rows("SELECT sku, currency, amount, compare_at_amount FROM prices ORDER BY sku") == [
        ("SHIRT-M", "GBP", 2150, None),
        ("SHIRT-S", "GBP", 1999, 2500),
    ]
    assert await shelf.rows("SELECT sku, previous, amount, actor FROM price_changes ORDER BY sku") == [
        ("SHIRT-M", None, 2150, "system"),
        ("SHIRT-S", None, 1999, "system"),
    ]
    assert await shelf.rows("SELECT sku, location, on_hand, reserved FROM stock_levels ORDER BY sku") == [
        ("SHIRT-M", "main", 0, 0),
        ("SHIRT-S", "main", 3, 0),
    ]
    assert await shelf.rows("SELECT sku, delta, reason, actor, left(note, 7) FROM stock_movements") == [
        ("SHIRT-S", 3, "receipt", "system", "import ")
    ]
    assert await shelf.rows("SELECT name, type FROM attributes ORDER BY name") == [
        ("google_gender", "text"),
        ("tags", "list"),
    ]
    assert await shelf.rows("SELECT state, products, applied FROM imports") == [("done", 1, 1)]
    assert await shelf.rows("SELECT * FROM import_products") == []


async def test_the_same_file_twice_changes_nothing_not_even_versions(shelf: Shelf) -> None:
    file = [SHIRT, MEDIUM, *({**plain(number), "Variant SKU": ""} for number in range(5))]
    await shelf.done(*file)
    imported = await shelf.contents()
    assert await shelf.done(*file) == ImportCounts(unchanged_products=6)
    assert await shelf.contents() == imported


async def test_changes_are_made_with_a_new_version_and_price_history_and_leave_stock_alone(shelf: Shelf) -> None:
    await shelf.done(SHIRT, MEDIUM, plain(1))
    before = await shelf.contents("stock_levels", "stock_movements")
    dearer = dict(MEDIUM) | {"Variant Price": "22", "Variant Inventory Qty": "50"}
    assert await shelf.done(SHIRT, dearer, plain(1)) == ImportCounts(changed_products=1, unchanged_products=1, prices=1)
    assert await shelf.rows("SELECT slug, version FROM products ORDER BY slug") == [("blue-shirt", 2), ("thing-1", 1)]
    assert await shelf.rows("SELECT previous, amount FROM price_changes WHERE sku = 'SHIRT-M' ORDER BY id") == [
        (None, 2150),
        (2150, 2200),
    ]
    assert await shelf.contents("stock_levels", "stock_movements") == before


async def test_what_a_file_is_silent_about_stays(shelf: Shelf) -> None:
    await shelf.done(SHIRT, MEDIUM)
    before = await shelf.contents()
    silent = {"Handle": "blue-shirt", "Title": "Blue shirt", "Option1 Name": "Size", "Option1 Value": "Small"}
    assert await shelf.done(silent | {"Variant SKU": "SHIRT-S", "Variant Price": "19.99"}) == ImportCounts(
        unchanged_products=1
    )
    assert await shelf.done(silent) == ImportCounts(unchanged_products=1)
    assert await shelf.contents() == before


async def test_empty_cells_take_away_what_was_there(shelf: Shelf) -> None:
    await shelf.done(SHIRT)
    emptied = dict(SHIRT) | dict.fromkeys(
        ("Body (HTML)", "Vendor", "Type", "Tags", "Variant Compare At Price", "Image Src", "Google Shopping / Gender"),
        "",
    )
    assert await shelf.done(emptied) == ImportCounts(changed_products=1, prices=1)
    assert await shelf.rows("SELECT description, category_id, vendor, attributes, images FROM products") == [
        ("", None, "", {}, [])
    ]
    assert await shelf.rows("SELECT amount, compare_at_amount FROM prices") == [(1999, None)]
    assert await shelf.rows("SELECT count(*) FROM price_changes") == [(1,)]


async def test_an_article_without_sku_is_found_by_its_options(shelf: Shelf) -> None:
    await shelf.done(SHIRT)
    unnamed = dict(SHIRT) | {"Variant SKU": "", "Variant Price": "18"}
    assert await shelf.done(unnamed) == ImportCounts(changed_products=1, prices=1)
    assert await shelf.rows("SELECT sku, amount FROM prices") == [("SHIRT-S", 1800)]


async def test_a_renamed_product_is_found_by_the_handle_that_it_had(shelf: Shelf) -> None:
    await shelf.done(SHIRT)
    await shelf.run("UPDATE products SET slug = 'navy-shirt'")
    await shelf.run("INSERT INTO slug_redirects (slug, product_id) SELECT 'blue-shirt', id FROM products")
    assert await shelf.done(SHIRT) == ImportCounts(unchanged_products=1)
    assert await shelf.rows("SELECT slug FROM products") == [("navy-shirt",)]


async def test_a_new_article_goes_where_the_file_has_it(shelf: Shelf) -> None:
    await shelf.done(SHIRT, MEDIUM)
    extra = {"Handle": "blue-shirt", "Option1 Value": "Slim", "Variant SKU": "SHIRT-SLIM", "Variant Price": "20"}
    assert await shelf.done(SHIRT, extra, MEDIUM) == ImportCounts(
        changed_products=1, new_variants=1, changed_variants=1, prices=1
    )
    assert await shelf.rows("SELECT sku, position FROM variants ORDER BY position") == [
        ("SHIRT-S", 0),
        ("SHIRT-SLIM", 1),
        ("SHIRT-M", 2),
    ]
    assert await shelf.done(SHIRT, extra, MEDIUM) == ImportCounts(unchanged_products=1)


async def test_articles_that_the_file_does_not_name_stay(shelf: Shelf) -> None:
    await shelf.done(SHIRT, MEDIUM)
    before = await shelf.contents("variants", "prices")
    assert await shelf.done(SHIRT) == ImportCounts(unchanged_products=1)
    assert await shelf.contents("variants", "prices") == before


async def test_a_type_names_a_category_by_slug_or_by_name_and_makes_one_where_none_is(shelf: Shelf) -> None:
    await shelf.run("INSERT INTO categories (id, slug, name) VALUES (uuidv7(), 'tops', 'Shirts & tops')")
    typed = ("tops", "Shirts & tops", "Très chic", "Tres Chic", "日本")
    await shelf.done(*(plain(number, Type=named) for number, named in enumerate(typed)))
    named = "SELECT p.slug, c.slug, c.name FROM products p JOIN categories c ON c.id = category_id ORDER BY p.slug"
    placed = await shelf.rows(named)
    assert [row[:2] for row in placed[:4]] == [
        ("thing-0", "tops"),
        ("thing-1", "tops"),
        ("thing-2", "tres-chic"),
        ("thing-3", "tres-chic"),
    ]
    assert placed[4][2] == "日本"
    assert await shelf.done(*(plain(number, Type=named) for number, named in enumerate(typed))) == ImportCounts(
        unchanged_products=5
    )


async def test_inventory_policy_decides_whether_it_is_sold_ahead(shelf: Shelf) -> None:
    await shelf.done(dict(SHIRT) | {"Variant Inventory Policy": "continue"}, MEDIUM)
    assert await shelf.rows("SELECT sku, backorder_limit FROM stock_policies") == [("SHIRT-S", 1_000_000)]
    await shelf.run("UPDATE stock_policies SET backorder_limit = 20")
    await shelf.done(dict(SHIRT) | {"Variant Inventory Policy": "continue"})
    assert await shelf.rows("SELECT backorder_limit FROM stock_policies") == [(20,)]
    await shelf.done(SHIRT)
    assert await shelf.rows("SELECT backorder_limit FROM stock_policies") == [(0,)]


async def test_nobody_who_buys_waits_while_an_import_writes(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = dict(SHIRT) | {"Variant Inventory Policy": "continue"}
    await shelf.done(ahead, MEDIUM)
    decide, locked = applying._decide_policies, []

    async def looked(session: AsyncSession) -> None:
        mine = "WHERE sku LIKE 'SHIRT-_' ORDER BY sku"
        locked.append(await shelf.rows(f"SELECT sku FROM stock_policies {mine} FOR UPDATE NOWAIT"))
        locked.append(await shelf.rows(f"SELECT sku FROM stock_levels {mine} FOR UPDATE NOWAIT"))
        locked.append(await shelf.rows(f"SELECT sku FROM variants {mine} FOR KEY SHARE NOWAIT"))
        await decide(session)

    monkeypatch.setattr(applying, "_decide_policies", looked)
    changed = dict(SHIRT) | {"Variant Price": "1", "Variant Barcode": "2", "Variant Inventory Qty": "9"}
    await shelf.done(changed, dict(MEDIUM) | {"Variant Inventory Policy": "continue"}, plain(1))
    both: list[tuple[object, ...]] = [("SHIRT-M",), ("SHIRT-S",)]
    assert locked == [[("SHIRT-S",)], both, both]
    assert await shelf.rows("SELECT sku, backorder_limit FROM stock_policies ORDER BY sku") == [
        ("SHIRT-M", 1_000_000),
        ("SHIRT-S", 0),
    ]


# Nothing half imported ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "refusals"),
    [
        (
            [plain(1), plain(2), plain(1, Title="Again", **{"Variant SKU": "AGAIN"})],
            [(4, "the product stands on line 2 already")],
        ),
        ([plain(1), plain(2, **{"Variant SKU": "THING-1"})], [(3, "the SKU THING-1 stands on line 2 already")]),
        (
            [plain(1), plain(2, **{"Variant SKU": "SHIRT-S"})],
            [(3, "the SKU SHIRT-S belongs to another product: blue-shirt")],
        ),
        (
            [dict(SHIRT) | {"Variant SKU": "OTHER"}, MEDIUM],
            [(2, "the article SHIRT-S of this product has these options")],
        ),
        (
            [dict(SHIRT) | {"Option1 Name": "Width"}],
            [(2, "its options can not become others while the article SHIRT-M is not in the file")],
        ),
        ([plain(1, **{"Google Shopping / MPN": "x"})], [(2, "the attribute google_mpn is no text here")]),
        (
            [plain(1), plain(2, **{"Gift Card": "true"}), plain(3, **{"Variant Price": "?"})],
            [(3, "gift cards are not sold here"), (4, "Variant Price is not a number: ?")],
        ),
    ],
)
async def test_one_row_that_can_not_be_taken_is_enough_for_nothing_to_be_imported(
    shelf: Shelf, rows: list[Cells], refusals: list[tuple[int, str]]
) -> None:
    await shelf.done(SHIRT, MEDIUM)
    await shelf.run("INSERT INTO attributes (name, type) VALUES ('google_mpn', 'number')")
    before = await shelf.contents(*TABLES, *STAGED)
    report = await shelf.take(*rows)
    assert (report.counts, report.refused) == (None, len(refusals))
    assert report.refusals == tuple(Refusal(line, reason) for line, reason in refusals)
    assert await shelf.contents(*TABLES, *STAGED) == before


@pytest.mark.parametrize("tags", ["summer, men", "summer,men,", "men, summer, men", "men , SUMMER, summer"])
async def test_tags_are_a_list_and_the_same_ones_written_otherwise_change_nothing(shelf: Shelf, tags: str) -> None:
    listed = ["SUMMER", "men"] if "SUMMER" in tags else ["men", "summer"]
    await shelf.done({**SHIRT, "Tags": ", ".join(listed)})
    before = await shelf.contents()
    assert await shelf.done({**SHIRT, "Tags": tags}) == ImportCounts(unchanged_products=1)
    assert await shelf.contents() == before
    assert await shelf.rows("SELECT attributes -> 'tags' FROM products") == [(listed,)]

    assert await shelf.done({**SHIRT, "Tags": " , "}) == ImportCounts(changed_products=1)
    assert await shelf.rows("SELECT attributes FROM products") == [({"google_gender": "male"},)]


async def test_tags_that_are_a_text_here_are_refused_and_change_nothing(shelf: Shelf) -> None:
    await shelf.run("INSERT INTO attributes (name, type) VALUES ('tags', 'text')")
    before = await shelf.contents()
    report = await shelf.take(SHIRT)
    assert report.refusals == (Refusal(2, "the attribute tags is no list here"),)
    assert await shelf.contents() == before


async def test_refused_products_can_be_left_out_as_a_whole(shelf: Shelf) -> None:
    await shelf.done(SHIRT)
    file = [
        plain(1),
        plain(2, **{"Gift Card": "true"}),
        plain(3, **{"Variant SKU": "SHIRT-S"}),
        {"Handle": "thing-3", "Image Src": "https://images.example/more.jpg"},
        plain(4),
    ]
    report = await shelf.take(*file, options=ImportOptions("GBP", "main", skip_refused=True))
    assert report.counts == ImportCounts(new_products=2, new_variants=2, prices=2, units=5)
    assert [refusal.line for refusal in report.refusals] == [3, 4]
    assert await shelf.rows("SELECT slug FROM products ORDER BY slug") == [("blue-shirt",), ("thing-1",), ("thing-4",)]


async def test_more_clashes_than_are_told_are_all_left_out_and_counted(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shelf.done(*map(plain, range(5)))
    before = await shelf.contents(*TABLES)
    for module in (comparing, staging):
        monkeypatch.setattr(module, "MOST_REFUSALS", 2)
    somebody_elses = [plain(n, Handle=f"other-{n}", **{"Variant Price": "0.01"}) for n in range(5)]
    refused = plain(9, **{"Gift Card": "true"})
    report = await shelf.take(*somebody_elses, refused, options=ImportOptions("GBP", "main", skip_refused=True))
    assert report.counts == ImportCounts()
    assert report.refused == 6
    assert await shelf.rows("SELECT line FROM import_refusals ORDER BY line") == [(2,), (7,)]
    assert await shelf.contents(*TABLES) == before


async def test_a_file_that_was_cut_is_refused_even_where_refused_rows_are_left_out(shelf: Shelf) -> None:
    path = shelf.folder / "cut.csv"
    whole = content(*map(plain, range(3)))
    path.write_bytes(whole[: whole.rindex(b"thing-2") + 9])
    report = await import_file(path, shelf.url, ImportOptions("GBP", "main", skip_refused=True), Silent())
    assert report.counts is None
    assert [refusal.line for refusal in report.refusals] == [4]
    assert await shelf.rows("SELECT count(*) FROM products") == [(0,)]


async def test_an_import_that_dies_on_the_way_leaves_nothing(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    await shelf.done(SHIRT)
    before = await shelf.contents(*TABLES, *STAGED)

    async def die(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(files, "finish", die)
    with pytest.raises(RuntimeError):
        await shelf.take(dict(SHIRT) | {"Title": "Other"}, MEDIUM, *map(plain, range(5)))
    assert await shelf.contents(*TABLES, *STAGED) == before


async def test_a_dry_run_tells_what_would_be_done_and_does_nothing(shelf: Shelf) -> None:
    await shelf.done(SHIRT)
    before = await shelf.contents(*TABLES, *STAGED)
    told = await shelf.done(SHIRT, MEDIUM, plain(1), options=ImportOptions("GBP", "main", dry_run=True))
    assert told == ImportCounts(new_products=1, changed_products=1, new_variants=2, prices=2, units=1)
    assert await shelf.contents(*TABLES, *STAGED) == before


async def test_imports_at_the_same_time_take_turns_and_the_last_finds_all_done(shelf: Shelf) -> None:
    path = write(shelf.folder / "file.csv", SHIRT, MEDIUM, *map(plain, range(30)))
    reports = await asyncio.gather(*(import_file(path, shelf.url, OPTIONS, Silent()) for _ in range(4)))
    counts = [report.counts for report in reports]
    assert sorted(found.new_products for found in counts if found) == [0, 0, 0, 31]
    assert sorted(found.unchanged_products for found in counts if found) == [0, 31, 31, 31]
    assert await shelf.rows("SELECT count(*), max(version) FROM products") == [(31, 1)]


async def test_an_import_waits_for_an_editor_whose_other_products_stay(shelf: Shelf) -> None:
    """An import waits for the editor who is at one of its products, and writes what the file says upon that."""
    await shelf.done(SHIRT, plain(1))
    path = write(shelf.folder / "file.csv", dict(SHIRT) | {"Vendor": "New"})
    async with shelf.sessions.begin() as editor:
        await editor.execute(text("UPDATE products SET version = version + 1, seo_title = 'Edited'"))
        importing_ = asyncio.create_task(import_file(path, shelf.url, OPTIONS, Silent()))
        blocked = (
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'everorder-import' AND wait_event_type = 'Lock'"
        )
        while not await shelf.rows(blocked):
            assert not importing_.done()
    report = await importing_
    assert report.counts == ImportCounts(changed_products=1)
    assert await shelf.rows("SELECT slug, vendor, seo_title, version FROM products ORDER BY slug") == [
        ("blue-shirt", "New", "A blue shirt", 3),
        ("thing-1", "Example", "Edited", 2),
    ]


# The command -------------------------------------------------------------------------------------------------------


def run(*arguments: str) -> Result:
    return CliRunner().invoke(importing.app, ["shopify", *arguments])


@pytest.mark.usefixtures("command")
def test_command_tells_what_was_done(tmp_path: Path) -> None:
    file = str(write(tmp_path / "file.csv", dict(SHIRT) | {"Cost per item": "3"}, MEDIUM))
    assert run(file, "--currency", "GBP").stdout.splitlines() == [
        "not used: Cost per item",
        "imported from file.csv:",
        "  1 new products with 2 new articles in all",
        "  0 products changed, 0 were as the file says",
        "  2 prices set, 3 units received",
    ]
    done = json.loads(run(file, "--json").stdout)
    assert (done["done"]["unchanged_products"], done["refused"], done["ignored_columns"]) == (1, 0, ["Cost per item"])


@pytest.mark.usefixtures("command")
def test_command_refuses_with_lines_and_reasons(tmp_path: Path) -> None:
    file = write(tmp_path / "file.csv", *(plain(number, **{"Variant Price": "free"}) for number in range(25)))
    refused = run(str(file))
    assert str(refused.exception).splitlines()[:2] == [
        f"{file} is refused, nothing was changed",
        "  line 2: Variant Price is not a number: free",
    ]
    assert str(refused.exception).endswith("and 5 more")
    assert getattr(refused.exception, "exit_code", None) == 2
    told = run(str(file), "--json")
    assert (json.loads(told.stdout)["done"], len(json.loads(told.stdout)["refusals"])) == (None, 25)


@pytest.mark.usefixtures("command")
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(["--currency", "ABC"], "ABC is no currency (ISO 4217)"), (["--location", "moon"], "no such location")],
)
def test_command_refuses_what_it_does_not_know(arguments: list[str], reason: str, tmp_path: Path) -> None:
    assert str(run(str(write(tmp_path / "file.csv", SHIRT)), *arguments).exception) == reason


@pytest.mark.parametrize("is_new", [True, False])
async def test_an_attribute_keeps_its_type_while_products_get_it(shelf: Shelf, is_new: bool) -> None:
    added = "INSERT INTO attributes (name, type) VALUES ('tags', 'list')"
    if not is_new:
        await shelf.run(added)

    async def define() -> None:
        async with shelf.sessions.begin() as session:
            await attributes.define(session, "tags", AttributeType.TEXT)

    async with shelf.sessions.begin() as importing:
        if is_new:
            await importing.execute(text(added))
        assert await attributes.used(importing, ["tags"]) == {"tags": AttributeType.LIST}
        defining = asyncio.create_task(define())
        waited, _ = await asyncio.wait([defining], timeout=0.2)
        assert not waited
        await importing.execute(
            text(
                "INSERT INTO products (id, slug, title, description, status, attributes)"
                """ VALUES (uuidv7(), 'mug', 'Mug', '', 'draft', '{"tags": ["a"]}')"""
            )
        )
    with pytest.raises(InUseError):
        await defining
    assert await shelf.rows("SELECT type FROM attributes") == [("list",)]
