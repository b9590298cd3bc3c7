"""A day of invoices into the database: what was sold becomes catalogue and stock, in one transaction."""

from dataclasses import dataclass

from cli.retail.assortment import CATEGORY, assortment
from cli.retail.day import RetailDay
from db.engine import create_engine, create_sessions
from db.stocking import Receipt, add_categories, add_products, one_at_a_time, receive


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did. `skus` counts what the file sells, the others what is new."""

    skus: int
    units: int
    new_products: int
    received_units: int


async def import_day(day: RetailDay, database_url: str) -> ImportReport:
    """Make catalogue and stock out of a day, so that its replay sells out exactly what this received.

    The day's content names the delivery: a second import of the same content changes nothing, another day's is added.
    """
    wanted = assortment(day.sales())
    engine = create_engine(database_url, pool_size=1, application="everorder-import")
    try:
        async with create_sessions(engine).begin() as session:
            await one_at_a_time(session)
            await add_categories(session, [CATEGORY])
            new_products = await add_products(session, wanted.products)
            received = await receive(session, wanted.receipts, note=delivery_of(day))
    finally:
        await engine.dispose()
    return ImportReport(len(wanted.receipts), _units(wanted.receipts), new_products, received)


def delivery_of(day: RetailDay) -> str:
    """Name the delivery of a day, as its movements note it."""
    return f"retail:{day.digest}"


def _units(receipts: tuple[Receipt, ...]) -> int:
    return sum(receipt.quantity for receipt in receipts)
