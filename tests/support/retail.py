"""A small day of a retailer's invoices, always the same, in which every odd case of such files occurs."""

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

HEADER = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")

_GOODS = (
    ("85123A", "WHITE HANGING HEART T-LIGHT HOLDER", 255),
    ("85123a", "white hanging heart t-light holder ", 295),
    ("71053", "WHITE METAL LANTERN", 339),
    ("15056BL", "EDWARDIAN PARASOL BLACK", 595),
    ("22752", 'SET 7 BABUSHKA "NESTING" BOXES, RED', 765),
    ("21730", "", 425),
    ("84029G", "KNITTED UNION FLAG  HOT WATER BOTTLE", 40),
    ("22633", "HAND WARMER UNION JACK", 185),
)
_COUNTRIES = ("United Kingdom", "EIRE", "France", "RSA", "Channel Islands", "Unspecified", "Norway", "USA")

_ODD_LINES = (
    ("C{0}", "85123A", "WHITE HANGING HEART T-LIGHT HOLDER", "-6", "2.55", "cancellation"),
    ("C{0}", "D", "Discount", "-1", "27.50", "cancellation"),
    ("{0}", "POST", "POSTAGE", "3", "18.0", "not_stock"),
    ("{0}", "DOT", "DOTCOM POSTAGE", "1", "569.77", "not_stock"),
    ("{0}", "BANK CHARGES", "Bank Charges", "1", "15.0", "not_stock"),
    ("{0}", "C2", "CARRIAGE", "1", "50.0", "not_stock"),
    ("{0}", "gift_0001_20", "Dotcomgiftshop Gift Voucher £20.00", "1", "17.02", "not_stock"),
    ("A{0}", "B", "Adjust bad debt", "1", "-11062.06", "not_stock"),
    ("{0}", "2223", "four digits", "1", "1.00", "not_stock"),
    ("{0}", "22139", "", "-10", "0.0", "no_quantity"),
    ("{0}", "22139", "thrown away", "0", "1.25", "no_quantity"),
    ("{0}", "22139", "amazon", "20", "0.0", "no_price"),
    ("{0}", "22139", "adjusted", "1", "-0.42", "no_price"),
    ("{0}", "22139", "RETROSPOT TEA SET CERAMIC 11 PC", "1", "0.001", "fraction_of_a_penny"),
)


@dataclass(frozen=True, slots=True)
class WrittenDay:
    """A file and what it says: money in pence, by invoice; goods sold, by SKU; lines skipped, by reason."""

    path: Path
    invoices: Counter[str] = field(default_factory=Counter)
    sold: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def revenue(self) -> int:
        return self.invoices.total()


def write_day(path: Path, *, invoices: int = 8, longest: int = 12, first: int = 700_001) -> WrittenDay:
    """Write `invoices` invoices from `first` on, the first of `longest` lines, and every odd line between them."""
    day = WrittenDay(path)
    rows: list[tuple[str, ...]] = []
    for n in range(invoices):
        rows += _sales(day, str(first + n), n, longest if n == 0 else 1 + n % 5)
    for n, (invoice, code, description, quantity, price, reason) in enumerate(_ODD_LINES):
        number = invoice.format(first + (n % invoices if reason != "no_price" else invoices + n))
        rows.insert(n * 2, (number, code, description, quantity, "2026-03-02 08:26:00", price, "", "United Kingdom"))
        day.skipped[reason] += 1
    write_rows(path, rows)
    return day


def write_rows(path: Path, rows: Iterable[tuple[str, ...]], header: tuple[str, ...] = HEADER) -> Path:
    """Write lines under the header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def _sales(day: WrittenDay, invoice: str, n: int, lines: int) -> list[tuple[str, ...]]:
    """Sell goods in turn; every third time at another price, so that one SKU has several prices in one invoice."""
    customer = "" if n % 4 == 3 else f"{17_850 + n}.0"
    rows: list[tuple[str, ...]] = []
    for line in range(lines):
        sku, description, pence = _GOODS[(n + line) % len(_GOODS)]
        quantity, price = 1 + (n + line) % 6, pence + (line % 3 == 2) * 37
        day.invoices[invoice] += quantity * price
        day.sold[sku] += quantity
        pounds = f"{price / 100}"
        rows.append(
            (invoice, sku, description, str(quantity), "2026-03-02 08:26:00", pounds, customer, _COUNTRIES[n % 8])
        )
    return rows
