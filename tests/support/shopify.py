"""Product CSVs of Shopify, written for a test."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

Cells = Mapping[str, str]

SHIRT: Cells = {
    "Handle": "blue-shirt",
    "Title": "Blue shirt",
    "Body (HTML)": "<p>Cotton &amp; linen</p>",
    "Vendor": "Example & Sons",
    "Type": "Shirts",
    "Tags": "men, summer",
    "Published": "true",
    "Option1 Name": "Size",
    "Option1 Value": "Small",
    "Variant SKU": "SHIRT-S",
    "Variant Grams": "250",
    "Variant Inventory Qty": "3",
    "Variant Inventory Policy": "deny",
    "Variant Price": "19.99",
    "Variant Compare At Price": "25",
    "Variant Taxable": "true",
    "Variant Barcode": "5012345678900",
    "Image Src": "https://images.example/blue.jpg",
    "Image Position": "1",
    "Image Alt Text": "Front",
    "Gift Card": "false",
    "SEO Title": "A blue shirt",
    "SEO Description": "Buy it",
    "Google Shopping / Gender": "male",
    "Variant Image": "https://images.example/small.jpg",
    "Variant Weight Unit": "kg",
    "Variant Tax Code": "",
}
MEDIUM: Cells = {"Handle": "blue-shirt", "Option1 Value": "Medium", "Variant SKU": "SHIRT-M", "Variant Price": "21.50"}


def content(*rows: Cells, columns: Iterable[str] = (), end: str = "\n") -> bytes:
    """Write rows under the columns that they name, and under more where a test wants them."""
    names = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    written = io.StringIO()
    table = csv.DictWriter(written, names, restval="", lineterminator=end)
    table.writeheader()
    table.writerows(rows)
    return written.getvalue().encode()


def file(*rows: Cells, columns: Iterable[str] = (), end: str = "\n") -> BinaryIO:
    """Open such a file."""
    return io.BytesIO(content(*rows, columns=columns, end=end))


def plain(number: int, **cells: str) -> dict[str, str]:
    """Describe one of many products without options; `price` and the like may be changed by column."""
    return {
        "Handle": f"thing-{number}",
        "Title": f"Thing {number}",
        "Vendor": "Example",
        "Type": f"Kind {number % 7}",
        "Option1 Name": "Title",
        "Option1 Value": "Default Title",
        "Variant SKU": f"THING-{number}",
        "Variant Inventory Qty": str(number % 5),
        "Variant Price": f"{number % 900 + 1}.{number % 100:02}",
        "Image Src": f"https://images.example/{number}.jpg",
    } | cells


def write(path: Path, *rows: Cells) -> Path:
    """Write such a file to a path."""
    path.write_bytes(content(*rows))
    return path
