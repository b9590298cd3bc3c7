"""From the text of a cell to a value; what can not be read is a `CellError` with the reason."""

import re
import unicodedata
from decimal import ROUND_HALF_UP, Decimal
from urllib.parse import urlsplit

from domain.merchandise import LONGEST_LISTED, MOST_LISTED, SEPARATOR, distinct
from domain.money import MOST_MONEY, minor_unit_digits

_SLUG_BREAK = re.compile(r"[^a-z0-9]+")
_LONGEST_SLUG = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_GRAMS = {
    "g": Decimal(1),
    "kg": Decimal(1_000),
    "oz": Decimal("28.349523125"),
    "lb": Decimal("453.59237"),
}
_HEAVIEST = 10_000_000
_MOST_STOCK = 1_000_000_000
_LONGEST_URL = 2_000
_TRUE = frozenset({"true", "yes", "1"})
_FALSE = frozenset({"false", "no", "0"})


class CellError(ValueError):
    """A cell can not be read; the message says why, and names its column."""


def slug(handle: str) -> str:
    """Name a product's page by its handle: letters a to z, digits, and single hyphens between them."""
    plain = unicodedata.normalize("NFKD", handle.lower()).encode("ascii", "ignore").decode()
    found = _SLUG_BREAK.sub("-", plain).strip("-")
    if not found or len(found) > _LONGEST_SLUG:
        raise CellError(f"Handle has no letters or digits, or more than {_LONGEST_SLUG} of them")
    return found


def line(column: str, cell: str, most: int) -> str:
    """Read a text of one line."""
    if len(cell) > most:
        raise CellError(f"{column} has more than {most} characters")
    if _CONTROL.search(cell):
        raise CellError(f"{column} holds a line break or another control character")
    return cell


def several(column: str, cell: str) -> tuple[str, ...]:
    """Read a list of texts, with commas between them."""
    found = distinct(line(column, cell, len(cell)).split(SEPARATOR))
    if len(found) > MOST_LISTED:
        raise CellError(f"{column} are more than {MOST_LISTED}")
    if any(len(one) > LONGEST_LISTED for one in found):
        raise CellError(f"one of {column} has more than {LONGEST_LISTED} characters")
    return found


def amount(column: str, cell: str, currency: str) -> int | None:
    """Read an amount exactly, in minor units; None for an empty cell."""
    if not cell:
        return None
    digits = minor_unit_digits(currency)
    number = _number(column, cell)
    minor = number.scaleb(digits)
    if minor != minor.to_integral_value():
        raise CellError(f"{column} has more decimals than {currency}, which has {digits}: {cell}")
    if not 0 <= minor <= MOST_MONEY:
        raise CellError(f"{column} is negative or too large: {cell}")
    return int(minor)


def grams(cell: str, weight: str, unit: str) -> int:
    """Read a weight: in grams (`Variant Grams`), or with its unit where that is empty; rounded to whole grams."""
    if cell or not weight:
        exact = _number("Variant Grams", cell or "0")
    else:
        factor = _GRAMS.get(unit.lower() or "g")
        if factor is None:
            raise CellError(f"Variant Weight Unit is none of {', '.join(_GRAMS)}: {unit[:20]}")
        exact = _number("Variant Weight", weight) * factor
    if not 0 <= exact <= _HEAVIEST:
        raise CellError(f"the weight is negative or above {_HEAVIEST} g")
    return int(exact.to_integral_value(ROUND_HALF_UP))


def quantity(column: str, cell: str) -> int:
    """Read how many there are; less than nothing, of what was oversold elsewhere, is nothing."""
    number = _number(column, cell or "0")
    if number != number.to_integral_value() or number > _MOST_STOCK:
        raise CellError(f"{column} is no whole number, or above {_MOST_STOCK}: {cell}")
    return max(0, int(number))


def truth(column: str, cell: str, *, otherwise: bool) -> bool:
    """Read yes or no."""
    if not cell:
        return otherwise
    if cell.lower() in _TRUE | _FALSE:
        return cell.lower() in _TRUE
    raise CellError(f"{column} is neither TRUE nor FALSE: {cell[:40]}")


def url(column: str, cell: str) -> str:
    """Read the address of a picture."""
    found = line(column, cell, _LONGEST_URL)
    try:
        parts = urlsplit(found)
    except ValueError:
        raise CellError(f"{column} is no address") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"[\s<>\"]", found):
        raise CellError(f"{column} is no address that begins with http:// or https://")
    return found


def _number(column: str, cell: str) -> Decimal:
    if not _NUMBER.fullmatch(cell):
        raise CellError(f"{column} is not a number: {cell[:40]}")
    return Decimal(cell)
