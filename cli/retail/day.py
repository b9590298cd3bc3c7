"""A file of invoices: surveyed once from end to end, then read again invoice by invoice.

Two readings keep the memory small: the first counts each invoice's sales, so that the second can hand an invoice on
as soon as it has the last of them, wherever in the file they stand.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.retail.countries import country_code
from cli.retail.invoices import CURRENCY, Invoice, Sale
from cli.retail.problems import MOST_LISTED, FileRefusedError, Problem
from cli.retail.reading import read
from cli.retail.rows import Row
from cli.retail.rules import SkipReason, reason_to_skip
from domain.money import Money


@dataclass(frozen=True, slots=True)
class SaleRow:
    """A line that is a sale, with what its invoice says beside it."""

    invoice: str
    description: str
    customer: str
    country: str
    sale: Sale


@dataclass(frozen=True, slots=True)
class RetailDay:
    """What a file holds.

    `digest` names its content (SHA-256). `sales_of` counts the sales of each invoice that has any, `skipped` the lines
    that are none, `codes` the stock codes among them that are not stock, `unplaced` the invoices whose country names no
    country.
    """

    path: Path
    digest: str
    lines: int
    revenue: Money
    sales_of: Mapping[str, int]
    skipped: Mapping[SkipReason, int]
    codes: Mapping[str, int]
    unplaced: Mapping[str, int]

    def sales(self) -> Iterator[SaleRow]:
        """Read the lines that are sales, in the order of the file."""
        for row in read(self.path):
            if isinstance(row, Problem):
                raise FileRefusedError(self.path, (row,))
            if row.price is not None and reason_to_skip(row) is None:
                sale = Sale(row.stock_code, row.quantity, row.price)
                yield SaleRow(row.invoice, row.description, row.customer, row.country, sale)

    def invoices(self) -> Iterator[Invoice]:
        """Read the invoices, each as soon as its last sale was read."""
        unfinished: dict[str, list[SaleRow]] = {}
        for row in self.sales():
            rows = unfinished.setdefault(row.invoice, [])
            rows.append(row)
            if len(rows) == self.sales_of[row.invoice]:
                yield _invoice(unfinished.pop(row.invoice))


def _invoice(rows: list[SaleRow]) -> Invoice:
    first = rows[0]
    return Invoice(first.invoice, first.customer, first.country, tuple(row.sale for row in rows))


def survey(path: Path) -> RetailDay:
    """Read a whole file and tell what it holds.

    Raises:
        FileRefusedError: a line can not be read; with each such line and why.
    """
    tally = _Tally()
    problems: list[Problem] = []
    for row in read(path):
        if isinstance(row, Row):
            tally.count(row)
        else:
            problems.append(row)
        if len(problems) == MOST_LISTED:
            break
    if problems:
        raise FileRefusedError(path, tuple(problems))
    return tally.day(path)


class _Tally:
    """Counts lines while a file is read."""

    def __init__(self) -> None:
        self.lines = 0
        self.pence = 0
        self.sales_of: Counter[str] = Counter()
        self.skipped: Counter[SkipReason] = Counter()
        self.codes: Counter[str] = Counter()
        self.unplaced: Counter[str] = Counter()

    def count(self, row: Row) -> None:
        """Count one line."""
        self.lines += 1
        reason = reason_to_skip(row)
        if reason is None:
            self._count_sale(row)
            return
        self.skipped[reason] += 1
        if reason is SkipReason.NOT_STOCK:
            self.codes[row.stock_code] += 1

    def _count_sale(self, row: Row) -> None:
        self.pence += row.quantity * (row.price or 0)
        if row.invoice not in self.sales_of and country_code(row.country) is None:
            self.unplaced[row.country] += 1
        self.sales_of[row.invoice] += 1

    def day(self, path: Path) -> RetailDay:
        """Sum up."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return RetailDay(
            path=path,
            digest=digest,
            lines=self.lines,
            revenue=Money(self.pence, CURRENCY),
            sales_of=self.sales_of,
            skipped=self.skipped,
            codes=self.codes,
            unplaced=self.unplaced,
        )
