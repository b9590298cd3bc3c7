"""A shop that files are imported into by the command's own code, and a look at what is in it."""

import asyncio
from pathlib import Path

from sqlalchemy import text

from cli.shopify.importing import ImportOptions, ImportReport, import_file
from db.engine import Sessions
from db.imports.applying import ImportCounts
from tests.support.shopify import Cells, write

TABLES = (
    "attributes",
    "categories",
    "products",
    "variants",
    "prices",
    "price_changes",
    "stock_levels",
    "stock_movements",
    "stock_policies",
    "listings",
    "listed_prices",
)
STAGED = ("imports", "import_products", "import_refusals", "import_chunks")
OPTIONS = ImportOptions("GBP", "main")


class Silent:
    """Watches an import and shows nothing."""

    def __init__(self) -> None:
        self.waited = asyncio.Event()

    def read(self, done: int, total: int) -> None:
        assert 0 <= done <= total

    def waits(self) -> None:
        self.waited.set()

    def written(self, done: int, total: int) -> None:
        assert 0 <= done <= total


class Shelf:
    """Imports files into one database, and looks at it."""

    def __init__(self, sessions: Sessions, url: str, folder: Path) -> None:
        self.sessions = sessions
        self.url = url
        self.folder = folder

    async def take(self, *rows: Cells, options: ImportOptions = OPTIONS) -> ImportReport:
        return await import_file(write(self.folder / "file.csv", *rows), self.url, options, Silent())

    async def done(self, *rows: Cells, options: ImportOptions = OPTIONS) -> ImportCounts:
        report = await self.take(*rows, options=options)
        assert report.counts is not None, report.refusals
        return report.counts

    async def rows(self, query: str) -> list[tuple[object, ...]]:
        async with self.sessions() as session:
            return [tuple(row) for row in await session.execute(text(query))]

    async def run(self, statement: str) -> None:
        async with self.sessions.begin() as session:
            await session.execute(text(statement))

    async def empty(self) -> None:
        """Make the shop what it was before the first import."""
        await self.run("TRUNCATE products, categories, attributes, price_changes, imports, known_words CASCADE")

    async def contents(self, *tables: str) -> dict[str, list[tuple[object, ...]]]:
        return {table: await self.rows(f"SELECT t::text FROM {table} t ORDER BY 1") for table in tables or TABLES}
