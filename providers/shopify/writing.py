"""From products to rows: the columns of Shopify's product CSV, in its order, so that reading them gives the same."""

import csv
from collections.abc import Iterator
from itertools import zip_longest
from typing import TextIO

from domain.merchandise import SEPARATOR, DescribedProduct, DescribedVariant, Picture, Stated
from domain.money import Money
from domain.pricing.lines import STANDARD
from providers.shopify.columns import ATTRIBUTES, LISTS, WRITTEN
from providers.shopify.prose import html_of
from providers.shopify.rows import DEFAULT_TITLE, EXEMPT, OPTIONS, TITLE_OPTION

Cells = dict[str, str]


class ProductWriter:
    """Writes products into a file that was opened with `newline=""`."""

    def __init__(self, file: TextIO, currency: str) -> None:
        self._table = csv.DictWriter(file, WRITTEN, restval="", lineterminator="\r\n")
        self._currency = currency
        self._table.writeheader()

    def write(self, product: DescribedProduct) -> None:
        """Write the rows of one product."""
        self._table.writerows(_rows(product, self._currency))


def _rows(product: DescribedProduct, currency: str) -> Iterator[Cells]:
    """Put articles and pictures side by side; the first row tells of the product."""
    pairs = list(zip_longest(product.variants, product.images or ())) or [(None, None)]
    for place, (variant, image) in enumerate(pairs):
        yield {
            "Handle": product.slug,
            **(_product(product) if place == 0 else {}),
            **(_variant(variant, currency) if variant else {}),
            **(_image(image, place + 1) if image else {}),
        }


def _product(product: DescribedProduct) -> Cells:
    attributes = dict(product.attributes)
    names = product.options or (TITLE_OPTION,) if product.variants else product.options
    return {
        "Title": product.title,
        "Body (HTML)": html_of(product.description or ""),
        "Vendor": product.vendor or "",
        "Type": product.category or "",
        "Published": _truth(product.status is Stated.ACTIVE),
        "Status": product.status or Stated.DRAFT,
        "Gift Card": _truth(False),
        "SEO Title": product.seo_title or "",
        "SEO Description": product.seo_description or "",
        **{column: _text(attributes.get(name, "")) for column, name in (LISTS | ATTRIBUTES).items()},
        **{column: name for (column, _), name in zip(OPTIONS, names, strict=False)},
    }


def _text(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else f"{SEPARATOR} ".join(value)


def _variant(variant: DescribedVariant, currency: str) -> Cells:
    values = [value for _, value in variant.options] or [variant.title or DEFAULT_TITLE]
    plain = variant.tax_category in {None, STANDARD, EXEMPT}
    return {
        "Variant SKU": variant.sku,
        "Variant Grams": str(variant.weight or 0),
        "Variant Weight Unit": "g",
        "Variant Inventory Tracker": "shopify",
        "Variant Inventory Qty": str(variant.quantity),
        "Variant Inventory Policy": "continue" if variant.backorder else "deny",
        "Variant Fulfillment Service": "manual",
        "Variant Price": _amount(variant.amount, currency),
        "Variant Compare At Price": _amount(variant.compare_at, currency),
        "Variant Requires Shipping": _truth(True),
        "Variant Taxable": _truth(variant.tax_category != EXEMPT),
        "Variant Tax Code": "" if plain else variant.tax_category or "",
        "Variant Barcode": variant.barcode or "",
        "Variant Image": variant.image or "",
        **{column: value for (_, column), value in zip(OPTIONS, values, strict=False)},
    }


def _image(image: Picture, place: int) -> Cells:
    return {"Image Src": image.url, "Image Position": str(place), "Image Alt Text": image.alt}


def _amount(amount: int | None, currency: str) -> str:
    return "" if amount is None else str(Money(amount, currency)).removesuffix(f" {currency}")


def _truth(said: bool) -> str:
    return "true" if said else "false"
