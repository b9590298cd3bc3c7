"""A product file of 100,000 rows, by the code of the command: into a shop whose listings are kept by triggers."""

import csv
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.shopify.importing import import_file
from db.imports.applying import ImportCounts
from tests.support.postgres import PostgresForTests
from tests.support.shelf import OPTIONS, Shelf, Silent
from tests.support.shop import opened_shop
from tests.support.shopify import Cells, plain

pytestmark = [pytest.mark.proof, pytest.mark.timeout(900)]

PRODUCTS = 25_000
SIZES = ("S", "M", "L", "XL")
MOST_GROWTH = 48 * 1024 * 1024


def rows() -> Iterator[Cells]:
    for number in range(PRODUCTS):
        first = {"Option1 Name": "Size", "Option1 Value": "S", "Variant SKU": f"T{number}-S", "Published": "true"}
        yield plain(number) | first | {"Body (HTML)": f"<p>A thing that is number {number}</p>"}
        for size in SIZES[1:]:
            named = {"Handle": f"thing-{number}", "Option1 Value": size, "Variant SKU": f"T{number}-{size}"}
            yield named | {"Variant Price": "5.00", "Variant Inventory Qty": "3"}


def written(path: Path) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, [*plain(0), "Published", "Body (HTML)"], restval="")
        table.writeheader()
        table.writerows(rows())
    return path


class Weighed(Silent):
    """Watches how much memory the process takes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = self.most = psutil.Process().memory_info().rss

    def read(self, done: int, total: int) -> None:
        self.most = max(self.most, psutil.Process().memory_info().rss)

    def written(self, done: int, total: int) -> None:
        self.most = max(self.most, psutil.Process().memory_info().rss)


async def test_a_hundred_thousand_rows_are_imported_in_bounded_memory(
    postgres: PostgresForTests, tmp_path: Path
) -> None:
    url, watch, file, began = postgres.migrated(), Weighed(), written(tmp_path / "large.csv"), time.monotonic()
    report = await import_file(file, url, OPTIONS, watch)
    took = time.monotonic() - began
    articles = PRODUCTS * len(SIZES)
    assert report.counts is not None
    assert (report.counts.new_products, report.counts.new_variants) == (PRODUCTS, articles)
    assert watch.most - watch.first < MOST_GROWTH
    async with opened_shop(url) as shop:
        shelf = Shelf(shop.sessions, url, tmp_path)
        assert await shelf.rows("SELECT count(*) FROM prices") == [(articles,)]
        assert await shelf.rows("SELECT count(DISTINCT product_id) FROM listings") == [(PRODUCTS,)]

    again = await import_file(file, url, OPTIONS, Silent())
    assert again.counts == ImportCounts(unchanged_products=PRODUCTS)
    grown = (watch.most - watch.first) / 1024**2
    sys.stdout.write(f"{articles} rows in {took:.0f} s, the process grew by {grown:.0f} MiB\n")
