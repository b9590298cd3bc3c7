"""What one row says of a product, of an article and of a picture."""

from collections.abc import Iterator, Sequence
from hashlib import sha256

from domain.merchandise import LONGEST_ALT, LONGEST_ATTRIBUTE, DescribedProduct, DescribedVariant, Picture, Stated
from domain.pricing.lines import STANDARD
from providers.shopify import values
from providers.shopify.columns import ATTRIBUTES, LISTS, Header
from providers.shopify.prose import text_of
from providers.shopify.values import CellError

EXEMPT = "exempt"
"""The tax category of what Shopify calls not taxable."""

TITLE_OPTION, DEFAULT_TITLE = "Title", "Default Title"
"""How Shopify spells that a product has no options."""

OPTIONS = tuple((f"Option{n} Name", f"Option{n} Value") for n in (1, 2, 3))

_VARIANT_CELLS = ("Option1 Value", "Option2 Value", "Option3 Value", "Variant SKU", "Variant Price")
_LONGEST = {"Title": 300, "Vendor": 200, "Type": 200, "SEO Title": 500, "SEO Description": 500}
_LONGEST_PROSE = 50_000
_LONGEST_OPTION = 64
_LONGEST_SKU = 200


class Row:
    """One record under its header. What a cell holds is read when it is asked for."""

    def __init__(self, header: Header, line: int, cells: Sequence[str], currency: str) -> None:
        self.line = line
        self._header = header
        self._cells = cells
        self._currency = currency

    def cell(self, column: str) -> str:
        """Return a cell; empty where the file has no such column."""
        return self._header.cell(self._cells, column)

    def text(self, column: str) -> str | None:
        """Return a cell of one line; None where the file has no such column."""
        return values.line(column, self.cell(column), _LONGEST[column]) if self._header.has(column) else None

    @property
    def is_variant(self) -> bool:
        """Tell whether it speaks of an article."""
        return any(self.cell(column) for column in _VARIANT_CELLS)

    def option_names(self) -> tuple[str, ...]:
        """Name in which ways the product's articles differ; a lone `Title` is none."""
        names = tuple(values.line(column, self.cell(column), _LONGEST_OPTION) for column, _ in OPTIONS)
        given = tuple(filter(None, names))
        if given != names[: len(given)] or len(set(given)) < len(given):
            raise CellError("the names of options have a gap, or one is there twice")
        return () if given == (TITLE_OPTION,) else given

    def product(self) -> DescribedProduct:
        """Read what is said of the product as a whole."""
        if values.truth("Gift Card", self.cell("Gift Card"), otherwise=False):
            raise CellError("gift cards are not sold here")
        return DescribedProduct(
            line=self.line,
            slug=values.slug(self.cell("Handle")),
            title=values.line("Title", self.cell("Title"), _LONGEST["Title"]),
            description=self._description(),
            status=self._status(),
            category=self.text("Type"),
            vendor=self.text("Vendor"),
            options=self.option_names(),
            attributes=tuple(self._attributes()),
            seo_title=self.text("SEO Title"),
            seo_description=self.text("SEO Description"),
        )

    def variant(self, slug: str, names: tuple[str, ...]) -> DescribedVariant:
        """Read what is said of an article of a product with these options."""
        given = tuple(values.line(column, self.cell(column), _LONGEST_OPTION) for _, column in OPTIONS)
        chosen, title = self._chosen(names, given)
        sku = values.line("Variant SKU", self.cell("Variant SKU"), _LONGEST_SKU)
        price, compare_at = (
            values.amount(column, self.cell(column), self._currency)
            for column in ("Variant Price", "Variant Compare At Price")
        )
        return DescribedVariant(
            line=self.line,
            sku=sku or derived_sku(slug, [value for _, value in chosen] or [title or ""]),
            named=bool(sku),
            title=title,
            options=chosen,
            amount=price,
            compare_at=compare_at,
            keeps_compare_at=not self.has("Variant Compare At Price"),
            quantity=values.quantity("Variant Inventory Qty", self.cell("Variant Inventory Qty")),
            backorder=self._backorder(),
            weight=self._weight(),
            tax_category=self._tax_category(),
            barcode=self._line_of("Variant Barcode", 200),
            image=self._image(),
        )

    def picture(self) -> tuple[int, Picture] | None:
        """Read the picture and its place among those of the product; places that are not told come last."""
        if not (source := self.cell("Image Src")):
            return None
        place = values.quantity("Image Position", self.cell("Image Position")) or 2**31
        alt = values.line("Image Alt Text", self.cell("Image Alt Text"), LONGEST_ALT)
        return place, Picture(values.url("Image Src", source), alt)

    def has(self, column: str) -> bool:
        """Tell whether the file has a column."""
        return self._header.has(column)

    def _description(self) -> str | None:
        if not self.has("Body (HTML)"):
            return None
        text = text_of(self.cell("Body (HTML)"))
        if len(text) > _LONGEST_PROSE:
            raise CellError(f"Body (HTML) has more than {_LONGEST_PROSE} characters")
        return text

    def _status(self) -> Stated | None:
        if stated := self.cell("Status"):
            try:
                return Stated(stated.lower())
            except ValueError:
                raise CellError(f"Status is none of {', '.join(Stated)}: {stated[:40]}") from None
        if not self.has("Published"):
            return None
        published = values.truth("Published", self.cell("Published"), otherwise=True)
        return Stated.ACTIVE if published else Stated.DRAFT

    def _attributes(self) -> Iterator[tuple[str, str | tuple[str, ...]]]:
        for column, name in LISTS.items():
            if self.has(column):
                yield name, values.several(column, self.cell(column))
        for column, name in ATTRIBUTES.items():
            if self.has(column):
                yield name, values.line(column, self.cell(column), LONGEST_ATTRIBUTE)

    def _chosen(self, names: tuple[str, ...], given: tuple[str, ...]) -> tuple[tuple[tuple[str, str], ...], str | None]:
        """Return the values of the product's options, or, where it has none, the article's title."""
        if not names:
            if any(given[1:]):
                raise CellError("a value stands in a column of options that has no name")
            return (), "" if given[0] == DEFAULT_TITLE else given[0]
        chosen = given[: len(names)]
        if not all(chosen) or any(given[len(names) :]):
            raise CellError(f"an article has a value for each option of its product, which are {', '.join(names)}")
        return tuple(zip(names, chosen, strict=True)), None

    def _backorder(self) -> bool | None:
        match self.cell("Variant Inventory Policy").lower():
            case "":
                return None
            case "continue":
                return True
            case "deny":
                return False
            case other:
                raise CellError(f"Variant Inventory Policy is neither deny nor continue: {other[:40]}")

    def _weight(self) -> int | None:
        if not (self.has("Variant Grams") or self.has("Variant Weight")):
            return None
        return values.grams(self.cell("Variant Grams"), self.cell("Variant Weight"), self.cell("Variant Weight Unit"))

    def _tax_category(self) -> str | None:
        if not (self.has("Variant Taxable") or self.has("Variant Tax Code")):
            return None
        if code := values.line("Variant Tax Code", self.cell("Variant Tax Code"), 64):
            return code
        return STANDARD if values.truth("Variant Taxable", self.cell("Variant Taxable"), otherwise=True) else EXEMPT

    def _image(self) -> str | None:
        if not self.has("Variant Image"):
            return None
        source = self.cell("Variant Image")
        return values.url("Variant Image", source) if source else ""

    def _line_of(self, column: str, most: int) -> str | None:
        return values.line(column, self.cell(column), most) if self.has(column) else None


def derived_sku(slug: str, chosen: Sequence[str]) -> str:
    """Call an article that has no SKU by its product and its options: always the same, and readable."""
    name = ":".join([slug, *filter(None, chosen)])
    if len(name) <= _LONGEST_SKU:
        return name
    return f"{name[:160]}:{sha256(name.encode()).hexdigest()[:24]}"
