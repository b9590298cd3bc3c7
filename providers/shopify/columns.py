"""The columns of the file: what is read, what is written, and in which order."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from domain.merchandise import FileRefusedError, Refusal

_GOOGLE = (
    "Google Product Category",
    "Gender",
    "Age Group",
    "MPN",
    "AdWords Grouping",
    "AdWords Labels",
    "Condition",
    "Custom Product",
    "Custom Label 0",
    "Custom Label 1",
    "Custom Label 2",
    "Custom Label 3",
    "Custom Label 4",
)
_BEFORE = (
    "Handle",
    "Title",
    "Body (HTML)",
    "Vendor",
    "Type",
    "Tags",
    "Published",
    "Option1 Name",
    "Option1 Value",
    "Option2 Name",
    "Option2 Value",
    "Option3 Name",
    "Option3 Value",
    "Variant SKU",
    "Variant Grams",
    "Variant Inventory Tracker",
    "Variant Inventory Qty",
    "Variant Inventory Policy",
    "Variant Fulfillment Service",
    "Variant Price",
    "Variant Compare At Price",
    "Variant Requires Shipping",
    "Variant Taxable",
    "Variant Barcode",
    "Image Src",
    "Image Position",
    "Image Alt Text",
    "Gift Card",
    "SEO Title",
    "SEO Description",
)
_AFTER = ("Variant Image", "Variant Weight Unit", "Variant Tax Code", "Cost per item", "Status")

WRITTEN = (*_BEFORE, *(f"Google Shopping / {name}" for name in _GOOGLE), *_AFTER)
"""What an export has, in Shopify's order."""

LISTS = {"Tags": "tags"}
"""Columns that become attributes with several values, and their names there."""

ATTRIBUTES = {
    f"Google Shopping / {name}": "google_" + re.sub(r"\W+", "_", name.lower().removeprefix("google "))
    for name in _GOOGLE
}
"""Columns that become attributes of one text, and their names there."""

SILENT = frozenset(
    {"Variant Inventory Tracker", "Variant Fulfillment Service", "Variant Requires Shipping", "Cost per item"}
)
"""Columns that are known and of which nothing is kept."""

_READ = frozenset(WRITTEN) - SILENT | {"Variant Weight"}
_REQUIRED = ("Handle", "Title")


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of one file, by their places; `ignored` are those that nothing is made of, in their order."""

    places: dict[str, int]
    width: int
    ignored: tuple[str, ...]

    def has(self, column: str) -> bool:
        """Tell whether the file speaks of something at all."""
        return column in self.places

    def cell(self, cells: Sequence[str], column: str) -> str:
        """Return a cell without the spaces around it; empty where the file has no such column."""
        place = self.places.get(column)
        return "" if place is None else cells[place].strip()


def header(cells: Sequence[str], line: int) -> Header:
    """Find the columns.

    Raises:
        FileRefusedError: one is missing that has to be there, or one is there twice.
    """
    names = [name.strip() for name in cells]
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        raise FileRefusedError(Refusal(line, f"this is no product CSV of Shopify: no column {missing[0]}"))
    repeated = [name for place, name in enumerate(names) if name and name in names[:place]]
    if repeated:
        raise FileRefusedError(Refusal(line, f"the column {repeated[0][:100]} is there twice"))
    places = {name: place for place, name in enumerate(names) if name in _READ}
    ignored = tuple(name[:100] for name in names if name and name not in _READ)
    return Header(places, len(cells), ignored)
