"""What is exported is imported again without any change."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli import exporting, importing
from cli.seed import seed
from cli.shopify.importing import import_file
from db.engine import create_engine, create_sessions
from db.imports.applying import ImportCounts
from domain.merchandise import DescribedProduct
from providers.shopify.writing import ProductWriter
from settings import get_settings
from tests.support.described import products
from tests.support.postgres import PostgresForTests
from tests.support.shelf import OPTIONS, Shelf, Silent
from tests.support.shopify import MEDIUM, SHIRT, plain


@pytest.fixture(scope="module")
async def shelf(postgres: PostgresForTests, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shelf]:
    url = postgres.migrated()
    engine = create_engine(url, pool_size=4)
    yield Shelf(create_sessions(engine), url, tmp_path_factory.mktemp("files"))
    await engine.dispose()


@pytest.fixture(autouse=True)
def command(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DATABASE_URL", shelf.url)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


async def exported(shelf: Shelf, *, location: str = "main") -> Path:
    file = shelf.folder / "exported.csv"
    with exporting.replaced(file) as written:
        await exporting.write_products(written, shelf.url, "GBP", location)
    return file


async def imported(shelf: Shelf, file: Path) -> ImportCounts:
    report = await import_file(file, shelf.url, OPTIONS, Silent())
    assert report.counts is not None, report.refusals
    return report.counts


async def test_the_demo_catalogue_goes_out_and_in_again_without_a_change(shelf: Shelf) -> None:
    count = await seed(shelf.url)
    before = await shelf.contents()
    assert await imported(shelf, await exported(shelf)) == ImportCounts(unchanged_products=count)
    assert await shelf.contents() == before


async def test_an_edited_catalogue_goes_out_and_in_again_without_a_change(shelf: Shelf) -> None:
    await shelf.done(SHIRT, MEDIUM, *({**plain(number), "Variant SKU": ""} for number in range(3)))
    for edit in (
        "UPDATE products SET status = 'archived', description = E'a  <b>\\n\\n& c' WHERE slug = 'thing-1'",
        "UPDATE variants SET active = false, position = -1 WHERE sku = 'SHIRT-S'",
        "UPDATE variants SET position = 7, tax_category = 'exempt' WHERE sku = 'SHIRT-M'",
        "INSERT INTO prices (sku, currency, amount) VALUES ('SHIRT-M', 'EUR', 2500)",
        "DELETE FROM prices WHERE sku = 'thing-2'",
        "UPDATE categories SET name = 'Kind 1' WHERE name = 'Kind 2'",
        'UPDATE products SET attributes = attributes || \'{"wool": true, "tags": ["x"]}\' WHERE slug = \'thing-0\'',
        "INSERT INTO products (id, slug, title, description, status) VALUES (uuidv7(), 'empty', 'Empty', '', 'draft')",
    ):
        await shelf.run(edit)
    before = await shelf.contents()
    [(count,)] = await shelf.rows("SELECT count(*)::int FROM products")
    first = await exported(shelf)
    lines = first.read_bytes()
    assert await imported(shelf, first) == ImportCounts(unchanged_products=int(str(count)))
    assert await shelf.contents() == before
    assert (await exported(shelf)).read_bytes() == lines


@pytest.mark.proof
@examples(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.tuples(products(1), products(2)))
async def test_importing_an_export_of_any_import_changes_nothing(
    shelf: Shelf, drawn: tuple[DescribedProduct, ...]
) -> None:
    first = shelf.folder / "drawn.csv"
    with first.open("w", encoding="utf-8", newline="") as file:
        writer = ProductWriter(file, "GBP")
        for product in drawn:
            writer.write(product)
    await shelf.empty()
    assert (await imported(shelf, first)).new_products == 2
    before = await shelf.contents()
    out = await exported(shelf)
    assert await imported(shelf, out) == ImportCounts(unchanged_products=2)
    assert await shelf.contents() == before
    again = out.read_bytes()
    assert (await exported(shelf)).read_bytes() == again


def test_command_writes_a_file_that_the_other_command_reads(shelf: Shelf) -> None:
    file = shelf.folder / "catalogue.csv"
    done = CliRunner().invoke(exporting.app, ["shopify", str(file)])
    assert (done.exit_code, done.stdout.startswith(f"{file}: ")) == (0, True)
    assert sorted(path.name for path in shelf.folder.glob("catalogue*")) == ["catalogue.csv"]
    assert CliRunner().invoke(importing.app, ["shopify", str(file)]).exit_code == 0


def test_an_export_that_fails_leaves_the_file_that_was_there(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    file = shelf.folder / "kept.csv"
    file.write_text("what was there")
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    get_settings.cache_clear()
    failed = CliRunner().invoke(exporting.app, ["shopify", str(file)])
    assert str(failed.exception).startswith(f"{file} was not written: ")
    assert sorted(path.name for path in shelf.folder.glob("kept*")) == ["kept.csv"]
    assert file.read_text() == "what was there"
