"""Products as another system's file describes them. Where it is silent (None), what is there stays."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

MOST_VARIANTS = 250
"""Articles of one product."""

MOST_IMAGES = 250
"""Pictures of one product."""


LONGEST_ALT = 512
"""Characters that describe a picture."""

LONGEST_ATTRIBUTE = 5_000
"""Characters of a text attribute."""

MOST_LISTED = 250
"""Texts of an attribute that is a list."""

LONGEST_LISTED = 255
"""Characters of each."""

SEPARATOR = ","
"""Stands between the texts of a list where a file has them in one cell, and so in none of them."""


def distinct(values: Iterable[str]) -> tuple[str, ...]:
    """List texts in the order of their letters: in whichever order they come, the list is the same.

    Of spellings that differ by capitals alone the one that has them first remains.
    """
    spelled: dict[str, str] = {}
    for value in filter(None, (value.strip() for value in values)):
        spelled[value.lower()] = min(value, spelled.get(value.lower(), value))
    return tuple(sorted(spelled.values()))


class Stated(StrEnum):
    """Whether a file wants a product to be shown."""

    DRAFT = "draft"
    ACTIVE = "active"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, by its address."""

    url: str
    alt: str = ""


@dataclass(frozen=True, slots=True)
class DescribedVariant:
    """An article. Amounts are minor units of the file's currency, `weight` is in grams.

    `sku` is what the article is called where the shop has none with these options yet; `named` tells whether the file
    itself said so. `line` is where the file describes it. A price that is None leaves the article's prices alone;
    with one, `compare_at` counts, unless the file is silent about that (`keeps_compare_at`).
    """

    line: int
    sku: str
    named: bool
    title: str | None = None
    options: tuple[tuple[str, str], ...] = ()
    amount: int | None = None
    compare_at: int | None = None
    keeps_compare_at: bool = False
    quantity: int = 0
    backorder: bool | None = None
    weight: int | None = None
    tax_category: str | None = None
    barcode: str | None = None
    image: str | None = None


@dataclass(frozen=True, slots=True)
class DescribedProduct:
    """A product with its articles in their order.

    `attributes` holds those that the file speaks of, each a text or a list of them; an empty one is to be removed.
    `category` is a category's slug or name, empty for none.
    """

    line: int
    slug: str
    title: str
    description: str | None = None
    status: Stated | None = None
    category: str | None = None
    vendor: str | None = None
    options: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str | tuple[str, ...]], ...] = ()
    images: tuple[Picture, ...] | None = None
    seo_title: str | None = None
    seo_description: str | None = None
    variants: tuple[DescribedVariant, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Refusal:
    """What of a file can not be taken, and where: `line` counts from 1."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a product ends in a file: bytes and lines before the next one, from where reading can go on."""

    offset: int
    line: int


@dataclass(frozen=True, slots=True)
class Passage:
    """One product of a file, or why it is none, and where it ends.

    `fatal`: nothing behind it can be read, and nothing of the file may be used.
    """

    end: Place
    product: DescribedProduct | None = None
    refusals: tuple[Refusal, ...] = ()
    fatal: bool = False


class ImportState(StrEnum):
    """How far an import is."""

    QUEUED = "queued"
    READING = "reading"
    """The file is read; nothing of it is in the catalogue."""
    APPLYING = "applying"
    """One transaction writes all of it."""
    DONE = "done"
    REFUSED = "refused"
    """Rows could not be taken, so nothing was."""
    CANCELLED = "cancelled"


OPEN = (ImportState.QUEUED, ImportState.READING, ImportState.APPLYING)
"""The states of an import that has not ended."""


class FileRefusedError(Exception):
    """A file is not what it was taken for; nothing of it can be used."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(str(refusal))
