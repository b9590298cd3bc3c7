"""One line of a retailer's file, read strictly: text becomes numbers exactly, or the file is refused."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Self

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")

_NUMBER = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,2})?")
_LARGEST = 10**12
_OTHER_DATES = ("%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M")


class MalformedRowError(ValueError):
    """A line does not say what its columns promise."""


class Row(NamedTuple):
    """One line of an invoice, as it was written.

    `price` is in minor units, and None where it is finer than those. `customer` is empty where nobody is named.
    """

    invoice: str
    stock_code: str
    description: str
    quantity: int
    price: int | None
    customer: str
    country: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the columns stand in a file: in any order, among any others."""

    width: int
    places: tuple[int, ...]

    @classmethod
    def of(cls, header: Sequence[str]) -> Self:
        """Find the columns.

        Raises:
            MalformedRowError: one is missing.
        """
        names = [name.strip() for name in header]
        missing = [column for column in COLUMNS if column not in names]
        if missing:
            msg = f"no column {', '.join(missing)}"
            raise MalformedRowError(msg)
        return cls(len(names), tuple(names.index(column) for column in COLUMNS))

    def pick(self, cells: Sequence[str]) -> tuple[str, ...]:
        """Take the cells of one line, in the order of `COLUMNS`.

        Raises:
            MalformedRowError: there are more or fewer cells than the header has.
        """
        if len(cells) != self.width:
            msg = f"has {len(cells)} cells where the header has {self.width}"
            raise MalformedRowError(msg)
        return tuple([cells[place] for place in self.places])


def parse(cells: tuple[str, ...]) -> Row:
    """Read the cells of one line, in the order of `COLUMNS`.

    Raises:
        MalformedRowError: with the column and what it holds.
    """
    invoice, stock_code, description, quantity, date, price, customer, country = cells
    if not invoice.strip():
        msg = "InvoiceNo is empty"
        raise MalformedRowError(msg)
    _check_date(date)
    return Row(
        invoice=invoice.strip(),
        stock_code=stock_code,
        description=" ".join(description.split()),
        quantity=_whole("Quantity", quantity),
        price=_minor_units(_decimal("UnitPrice", price)),
        customer=customer.strip().removesuffix(".0"),
        country=country.strip(),
    )


def _decimal(column: str, cell: str) -> Decimal:
    if not _NUMBER.fullmatch(cell.strip()) or abs(number := Decimal(cell.strip())) >= _LARGEST:
        msg = f"{column} is not a number: {cell[:40]!r}"
        raise MalformedRowError(msg)
    return number


def _whole(column: str, cell: str) -> int:
    number = _decimal(column, cell)
    if number != int(number):
        msg = f"{column} is not a whole number: {cell[:40]!r}"
        raise MalformedRowError(msg)
    return int(number)


def _minor_units(price: Decimal) -> int | None:
    pence = price.scaleb(2)
    return int(pence) if pence == int(pence) else None


def _check_date(cell: str) -> None:
    try:
        datetime.fromisoformat(cell.strip())
    except ValueError:
        if not any(_reads_as(cell.strip(), form) for form in _OTHER_DATES):
            msg = f"InvoiceDate is not a date: {cell[:40]!r}"
            raise MalformedRowError(msg) from None


def _reads_as(cell: str, form: str) -> bool:
    try:
        datetime.strptime(cell, form)  # noqa: DTZ007 - only whether it can be read is asked
    except ValueError:
        return False
    return True
