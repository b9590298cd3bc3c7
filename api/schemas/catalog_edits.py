"""Products, variants, prices and categories as editors send them."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AnyHttpUrl, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.fields import Amount, Currency, Input, Line, ShortLine, Sku, text
from domain.merchandise import (
    LONGEST_ALT,
    LONGEST_ATTRIBUTE,
    LONGEST_LISTED,
    MOST_IMAGES,
    MOST_LISTED,
    MOST_VARIANTS,
    SEPARATOR,
    distinct,
)
from models.catalog import AttributeType, ProductStatus

_MOST_OPTIONS = 3
_MOST_ATTRIBUTES = 100
_HEAVIEST = 10_000_000


def _different(values: list[str]) -> list[str]:
    if len(set(values)) < len(values):
        raise PydanticCustomError("unique", "Items should be different")
    return values


Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", min_length=1, max_length=200)]
AttributeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
_Prose = Annotated[str, StringConstraints(strip_whitespace=True, max_length=50_000, pattern=r"^[^\x00]*$")]
_OptionNames = Annotated[list[ShortLine], Field(max_length=_MOST_OPTIONS), AfterValidator(_different)]
_Title = Annotated[str, text(300)]
_Seo = Annotated[str, text(500, least=0)]
_MaybeLine = Annotated[str, text(200, least=0)]
_Weight = Annotated[int, Field(strict=True, ge=0, le=_HEAVIEST, description="In grams.")]
_AttributeText = Annotated[str, text(LONGEST_ATTRIBUTE)]
_Listed = Annotated[str, text(LONGEST_LISTED), Field(pattern=f"^[^{SEPARATOR}]*$")]
_AttributeTexts = Annotated[
    list[_Listed],
    Field(min_length=1, max_length=MOST_LISTED, description="Kept in the order of their letters, each once."),
    AfterValidator(lambda values: list(distinct(values))),
]
_Attributes = Annotated[
    dict[AttributeName, bool | float | int | _AttributeText | _AttributeTexts], Field(max_length=_MOST_ATTRIBUTES)
]
_Url = Annotated[AnyHttpUrl, Field(max_length=2_000)]


class NewImage(Input):
    """A picture, by its address."""

    url: _Url
    alt: Annotated[str, text(LONGEST_ALT, least=0)] = ""

    def column(self) -> dict[str, str]:
        """Return it as it is stored."""
        return {"url": str(self.url), "alt": self.alt}


class NewPrice(Input):
    """What a variant costs in a currency, and what it is said to have cost before."""

    amount: Amount
    compare_at: Amount | None = None


class NewVariant(Input):
    """An article. It has a value for each of its product's options."""

    sku: Sku
    title: _MaybeLine = ""
    active: bool = True
    options: dict[ShortLine, ShortLine] = Field(default_factory=dict)
    weight: _Weight = 0
    tax_category: ShortLine = "standard"
    barcode: _MaybeLine = ""
    image: _Url | Literal[""] = ""
    prices: dict[Currency, NewPrice] = Field(default_factory=dict, max_length=200)

    def columns(self) -> dict[str, Any]:
        """Return what is written of it, but for its prices."""
        return self.model_dump(exclude={"prices"}) | {"image": str(self.image)}


class VariantChanges(Input):
    """What is to change of an article; what is left out stays."""

    title: _MaybeLine | None = None
    active: bool | None = None
    options: dict[ShortLine, ShortLine] | None = None
    weight: _Weight | None = None
    tax_category: ShortLine | None = None
    barcode: _MaybeLine | None = None
    image: _Url | Literal[""] | None = None

    def columns(self) -> dict[str, Any]:
        """Return what is to be written, by column."""
        changes = self.model_dump(exclude_none=True)
        return changes | ({"image": str(self.image)} if "image" in changes else {})


class ProductFields(Input):
    """What may be said of a product."""

    slug: Slug | None = None
    title: _Title | None = None
    description: _Prose | None = None
    status: ProductStatus | None = None
    category: Slug | None = Field(default=None, description="Slug of its category; null is none.")
    vendor: _MaybeLine | None = None
    attributes: _Attributes | None = None
    images: list[NewImage] | None = Field(default=None, max_length=MOST_IMAGES)
    seo_title: _Seo | None = None
    seo_description: _Seo | None = None

    def columns(self) -> dict[str, Any]:
        """Return what is to be written, by column, but for the category."""
        changes = self.model_dump(
            exclude_none=True,
            include={"slug", "title", "description", "status", "vendor", "attributes", "seo_title", "seo_description"},
        )
        return changes | ({} if self.images is None else {"images": [image.column() for image in self.images]})


class ProductChanges(ProductFields):
    """What is to change of a product; what is left out stays.

    Who changes `options` names those of each variant at once, so that at no moment one has others than its product.
    """

    options: _OptionNames | None = None
    variant_options: dict[Sku, dict[ShortLine, ShortLine]] | None = Field(
        default=None, max_length=MOST_VARIANTS, description="The options of each of its variants, by SKU."
    )
    variant_order: Annotated[list[Sku], AfterValidator(_different)] | None = Field(
        default=None, max_length=MOST_VARIANTS, description="The SKUs of all of its variants, in their new order."
    )


class NewProduct(ProductFields):
    """A product with its articles; a draft unless it says otherwise."""

    slug: Slug
    title: _Title
    status: ProductStatus = ProductStatus.DRAFT
    options: _OptionNames = Field(default_factory=list, description="In which ways its variants differ: size, colour.")
    variants: list[NewVariant] = Field(default_factory=list, max_length=MOST_VARIANTS)

    @model_validator(mode="after")
    def _variants_differ(self) -> Self:
        require_options(self.options, (variant.options for variant in self.variants))
        _different([variant.sku for variant in self.variants])
        return self

    def columns(self) -> dict[str, Any]:
        """Return what is to be written, by column, but for the category and the variants."""
        return super().columns() | {"options": self.options}


def require_options(names: Iterable[str], values: Iterable[dict[str, str]]) -> None:
    """Require that each article has a value for each option and no two have the same ones.

    Raises:
        PydanticCustomError: one has not, or two have.
    """
    wanted = set(names)
    given = list(values)
    if any(set(options) != wanted for options in given):
        raise PydanticCustomError("options", "A variant should have a value for each option of its product")
    if wanted and len({tuple(sorted(options.items())) for options in given}) < len(given):
        raise PydanticCustomError("options", "Variants should differ in their options")


class NewCategory(Input):
    """A category; `parent` is the slug of the one above it."""

    slug: Slug
    name: Line
    parent: Slug | None = None


class CategoryChanges(Input):
    """What is to change of a category; what is left out stays, a null `parent` makes it a root."""

    slug: Slug | None = None
    name: Line | None = None
    parent: Slug | None = None


class AttributeKind(Input):
    """What kind of values an attribute has."""

    type: AttributeType
