"""What an invariant is to the audit: checks, each a query for the rows that break it, and what was found."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, select, table, text
from sqlalchemy.ext.asyncio import AsyncSession

MOST_ROWS = 100
"""So many rows a check are shown; all of them are counted."""

Cell = str | int | float | bool | None
Row = Mapping[str, Cell]


class Subject(StrEnum):
    """The table that a check looks through."""

    BACKORDERS = "backorders"
    CARTS = "carts"
    ERASURES = "erasures"
    LISTED_PRICES = "listed_prices"
    LISTINGS = "listings"
    MANUAL_REFUNDS = "manual_refunds"
    MOVED_CATEGORIES = "moved_categories"
    NOTIFICATIONS = "notifications"
    ORDER_EVENTS = "order_events"
    ORDER_LINES = "order_lines"
    ORDERS = "orders"
    PAYMENT_OPERATIONS = "payment_operations"
    PRODUCT_DOCUMENTS = "product_documents"
    PRODUCT_WORDS = "product_words"
    PROMOTIONS = "promotions"
    REDEMPTIONS = "promotion_redemptions"
    REFUNDS = "refunds"
    RESERVATIONS = "reservations"
    RETURNS = "returns"
    SHIPMENTS = "shipments"
    STOCK_LEVELS = "stock_levels"
    STOCK_MOVEMENTS = "stock_movements"
    STOCK_POLICIES = "stock_policies"


@dataclass(frozen=True, slots=True)
class Check:
    """One way to break an invariant. `query` returns the rows that do: their keys and what disagrees."""

    name: str
    says: str
    subject: Subject
    query: str


@dataclass(frozen=True, slots=True)
class Invariant:
    """A promise, and the checks that together mean it."""

    id: str
    says: str
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check: how much was looked through, how much is broken, and the first rows of that."""

    name: str
    says: str
    checked: int
    broken: int = 0
    rows: tuple[Row, ...] = ()


@dataclass(slots=True)
class Tally:
    """Counts what breaks a check that is not made by a query alone, and keeps the first rows of it."""

    broken: int = 0
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Mapping[str, object]) -> None:
        """Count one more broken row."""
        self.broken += 1
        if len(self.rows) < MOST_ROWS:
            self.rows.append(plain(row))

    def finding(self, name: str, says: str, checked: int) -> Finding:
        """Sum up."""
        return Finding(name, says, checked, self.broken, tuple(self.rows))


async def examine(
    session: AsyncSession, checks: Iterable[Check], values: Mapping[str, object], counts: Mapping[Subject, int]
) -> tuple[Finding, ...]:
    """Make checks in the caller's transaction; `values` are the queries' parameters."""
    return tuple([await _made(session, check, values, counts[check.subject]) for check in checks])


async def count(session: AsyncSession) -> dict[Subject, int]:
    """Count every table that is looked through."""
    counts = [select(func.count()).select_from(table(subject)).scalar_subquery() for subject in Subject]
    return dict(zip(Subject, (await session.execute(select(*counts))).one(), strict=True))


def plain(row: Mapping[str, object]) -> Row:
    """Write ids and moments as text and sums as whole numbers, so that a row can be printed and sent as JSON."""
    return {name: _cell(value) for name, value in row.items()}


async def _made(session: AsyncSession, check: Check, values: Mapping[str, object], checked: int) -> Finding:
    """Fetch the first rows and the number of all of them in one statement."""
    statement = f"SELECT broken.*, count(*) OVER () AS how_many FROM ({check.query}) AS broken LIMIT {MOST_ROWS}"  # noqa: S608 - our own queries
    rows = (await session.execute(text(statement), dict(values))).mappings().all()
    shown = [{name: value for name, value in row.items() if name != "how_many"} for row in rows]
    return Finding(
        check.name, check.says, checked, rows[0]["how_many"] if rows else 0, tuple(plain(row) for row in shown)
    )


def _cell(value: object) -> Cell:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return int(value)
        case datetime():
            return value.isoformat(timespec="seconds")
        case UUID():
            return str(value)
        case list() | tuple():
            return ", ".join(str(_cell(part)) for part in value)
    return str(value)
