"""From rows to products: a row without a title belongs to the product above it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import BinaryIO

from domain.merchandise import (
    MOST_IMAGES,
    MOST_VARIANTS,
    DescribedProduct,
    DescribedVariant,
    FileRefusedError,
    Passage,
    Picture,
    Place,
    Refusal,
)
from providers.shopify.columns import Header, header
from providers.shopify.records import Record, records
from providers.shopify.rows import OPTIONS, Row
from providers.shopify.values import CellError

_MOST_ROWS = MOST_VARIANTS + MOST_IMAGES


class ProductFile:
    """Reads products out of a file, one at a time. Amounts are read in the given currency, as no column names one.

    Raises:
        FileRefusedError: the file does not begin with the names of the columns.
    """

    def __init__(self, file: BinaryIO, currency: str) -> None:
        self._file = file
        self._currency = currency
        file.seek(0)
        first = next(records(file), None)
        if first is None:
            raise FileRefusedError(Refusal(1, "the file is empty"))
        self._header: Header = header(first.cells, first.line)
        self._begin = first.end

    @property
    def ignored(self) -> tuple[str, ...]:
        """Name the columns of which nothing is made."""
        return self._header.ignored

    def passages(self, begin: Place | None = None) -> Iterator[Passage]:
        """Read product after product, from a place on at which one has ended. Refused ones are given out, too."""
        at = begin or self._begin
        self._file.seek(at.offset)
        group: _Group | None = None
        try:
            for record in records(self._file, at):
                row = self._row(record)
                if not any(map(str.strip, record.cells)):
                    continue
                if group is None or not group.takes(row):
                    if group is not None:
                        yield group.passage(at)
                    group = _Group(row)
                else:
                    group.add(row)
                at = record.end
        except FileRefusedError as error:
            yield Passage(at, refusals=(error.refusal,), fatal=True)
            return
        if group is not None:
            yield group.passage(at)

    def _row(self, record: Record) -> Row:
        """Put a record under the header. One of another width was cut, or its quotes are wrong: so is what follows."""
        if len(record.cells) != self._header.width:
            reason = (
                f"has {len(record.cells)} of {self._header.width} cells: the file was cut here, or a quote is wrong"
            )
            raise FileRefusedError(Refusal(record.line, reason))
        return Row(self._header, record.line, record.cells, self._currency)


class _Group:
    """The rows of one product."""

    def __init__(self, first: Row) -> None:
        self._handle = first.cell("Handle")
        self._rows = [first]
        self._more = 0

    def takes(self, row: Row) -> bool:
        """Tell whether a row belongs to the product."""
        handle = row.cell("Handle")
        return handle == self._handle or not (handle or row.cell("Title"))

    def add(self, row: Row) -> None:
        """Take a row; those that are too many are only counted."""
        if len(self._rows) < _MOST_ROWS:
            self._rows.append(row)
        else:
            self._more += 1

    def passage(self, end: Place) -> Passage:
        """Make a product of the rows, or say which of them can not be taken."""
        product, refusals = _read(self._rows)
        if self._more:
            line = self._rows[-1].line
            refusals = [*refusals, Refusal(line, f"the product has more than {_MOST_ROWS} rows")]
        return Passage(end, None if refusals else product, tuple(refusals))


def _read(rows: list[Row]) -> tuple[DescribedProduct | None, list[Refusal]]:
    first, refusals = rows[0], []
    try:
        product = _product(first)
    except CellError as error:
        return None, [Refusal(first.line, str(error))]
    variants: list[DescribedVariant] = []
    pictures: list[tuple[int, Picture]] = []
    for row in rows:
        try:
            _require_same(first, row)
            if row.is_variant:
                variants.append(row.variant(product.slug, product.options))
            if (placed := row.picture()) is not None:
                pictures.append(placed)
        except CellError as error:
            refusals.append(Refusal(row.line, str(error)))
    images = _in_their_order(pictures) if first.has("Image Src") else None
    refusals += chain(_repeated(variants), _too_many(product, len(variants), len(pictures)))
    return replace(product, variants=tuple(variants), images=images), sorted(refusals)


def _product(first: Row) -> DescribedProduct:
    if not first.cell("Handle"):
        raise CellError("Handle is empty")
    if not first.cell("Title"):
        raise CellError("has no Title, and is not below a row with its Handle")
    return first.product()


def _require_same(first: Row, row: Row) -> None:
    """Require that a further row says something, and nothing against the first one.

    Raises:
        CellError: it speaks of nothing, or has another title or other names of options.
    """
    if not (row is first or row.is_variant or row.cell("Image Src")):
        raise CellError("speaks neither of an article nor of a picture")
    if row.cell("Title") not in {"", first.cell("Title")}:
        raise CellError("has another Title than the row above with its Handle")
    if any(row.cell(column) not in {"", first.cell(column)} for column, _ in OPTIONS):
        raise CellError("has other names of options than the first row of its product")


def _in_their_order(pictures: list[tuple[int, Picture]]) -> tuple[Picture, ...]:
    ordered = (picture for _, picture in sorted(pictures, key=lambda placed: placed[0]))
    return tuple(dict.fromkeys(ordered))


def _repeated(variants: Iterable[DescribedVariant]) -> Iterator[Refusal]:
    seen: dict[tuple[tuple[str, str], ...], int] = {}
    for variant in variants:
        if variant.options and seen.setdefault(variant.options, variant.line) != variant.line:
            yield Refusal(variant.line, f"has the same options as line {seen[variant.options]}")


def _too_many(product: DescribedProduct, variants: int, pictures: int) -> Iterator[Refusal]:
    if variants > MOST_VARIANTS:
        yield Refusal(product.line, f"the product has more than {MOST_VARIANTS} articles")
    if pictures > MOST_IMAGES:
        yield Refusal(product.line, f"the product has more than {MOST_IMAGES} pictures")
