"""Editing products, variants, prices, categories and attributes: for staff, each edit for the version that was read."""

from collections.abc import Iterable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import TypeAdapter
from pydantic_core import PydanticCustomError
from sqlalchemy.ext.asyncio import AsyncSession

from api.audience import PUBLIC
from api.deps import Needs, Read, Write
from api.errors import InvalidRequestError
from api.etags import IfMatch, etag, tagged
from api.idempotency import IdempotentRoute
from api.openapi import problems
from api.schemas.catalog import Attribute, Category, PriceChange, Product
from api.schemas.catalog_edits import (
    AttributeKind,
    AttributeName,
    CategoryChanges,
    NewCategory,
    NewPrice,
    NewProduct,
    NewVariant,
    ProductChanges,
    ProductFields,
    Slug,
    VariantChanges,
    require_options,
)
from api.schemas.fields import Currency, Sku
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, cut, decode, encode
from api.security import Caller, Scope
from db import attributes, catalog, catalog_edits, categories
from db.catalog_edits import Touched
from db.categories import CategoryContent, UnknownParentError
from domain.errors import NotFoundError
from domain.money import Money
from models.catalog import ProductStatus

router = APIRouter(prefix="/v1", tags=["catalog"], route_class=IdempotentRoute)

_Editor = Annotated[Caller, Depends(Needs(Scope.CATALOG_WRITE))]
_ON_CREATE = problems(401, 403, 409, 413)
_ON_CHANGE = problems(401, 403, 404, 409, 412, 413, 428)
_NEWEST = 2**62
_POSITION = TypeAdapter(tuple[int])


@router.post("/products", status_code=201, responses=_ON_CREATE)
async def create_product(body: NewProduct, response: Response, session: Write, editor: _Editor) -> Product:
    """Add a product with its variants and their prices."""
    columns = body.columns() | await _checked(session, body)
    product = await catalog_edits.create(session, columns)
    await _add_variants(session, product, body.variants, editor)
    response.headers["Location"] = f"/v1/products/{product}"
    return await _shown(session, product, response)


@router.patch("/products/{product_id}", responses=_ON_CHANGE)
async def change_product(
    product_id: UUID, body: ProductChanges, response: Response, session: Write, _editor: _Editor, version: IfMatch
) -> Product:
    """Change what is said of a product. Links to a slug that it had before lead to it from then on."""
    touched = await catalog_edits.touch(session, product_id, version)
    columns = body.columns() | await _checked(session, body)
    await catalog_edits.change(session, product_id, touched, columns)
    if body.options is not None or body.variant_options is not None:
        await _change_options(session, product_id, body, touched)
    if body.variant_order is not None:
        await _require_variants(session, product_id, body.variant_order, "variant_order")
        await catalog_edits.order_variants(session, product_id, body.variant_order)
    return await _shown(session, product_id, response)


@router.delete("/products/{product_id}", status_code=204, responses=_ON_CHANGE)
async def archive_product(product_id: UUID, session: Write, _editor: _Editor, version: IfMatch) -> None:
    """Take a product out of the shop. Nothing is forgotten: orders, stock and history speak of it."""
    touched = await catalog_edits.touch(session, product_id, version)
    await catalog_edits.change(session, product_id, touched, {"status": ProductStatus.ARCHIVED})


@router.post("/products/{product_id}/variants", status_code=201, responses=_ON_CHANGE)
async def add_variant(
    *, product_id: UUID, body: NewVariant, response: Response, session: Write, editor: _Editor, version: IfMatch
) -> Product:
    """Add an article to a product."""
    touched = await catalog_edits.touch(session, product_id, version)
    _require_options(touched.options, body.options)
    await _add_variants(session, product_id, [body], editor)
    return await _shown(session, product_id, response)


@router.patch("/products/{product_id}/variants/{sku:path}", responses=_ON_CHANGE)
async def change_variant(
    *,
    product_id: UUID,
    sku: Sku,
    body: VariantChanges,
    response: Response,
    session: Write,
    _editor: _Editor,
    version: IfMatch,
) -> Product:
    """Change an article; its SKU stays what it is."""
    touched = await catalog_edits.touch(session, product_id, version)
    if body.options is not None:
        _require_options(touched.options, body.options)
    await catalog_edits.change_variant(session, product_id, sku, body.columns())
    return await _shown(session, product_id, response)


@router.delete("/products/{product_id}/variants/{sku:path}", responses=_ON_CHANGE)
async def remove_variant(
    product_id: UUID, sku: Sku, response: Response, session: Write, _editor: _Editor, version: IfMatch
) -> Product:
    """Remove an article that was never stocked nor put into a cart; any other can be made inactive."""
    await catalog_edits.touch(session, product_id, version)
    await catalog_edits.remove_variant(session, product_id, sku)
    return await _shown(session, product_id, response)


@router.put("/products/{product_id}/prices/{currency}/{sku:path}", responses=_ON_CHANGE)
async def set_price(
    *,
    product_id: UUID,
    currency: Currency,
    sku: Sku,
    body: NewPrice,
    response: Response,
    session: Write,
    editor: _Editor,
    version: IfMatch,
) -> Product:
    """Set what an article costs in a currency. Carts show it at once; orders keep what they were opened at."""
    await catalog_edits.touch(session, product_id, version)
    await catalog_edits.require_variant(session, product_id, sku)
    await _set_price(session, sku, currency, body, editor)
    return await _shown(session, product_id, response)


@router.delete("/products/{product_id}/prices/{currency}/{sku:path}", responses=_ON_CHANGE)
async def remove_price(
    *,
    product_id: UUID,
    currency: Currency,
    sku: Sku,
    response: Response,
    session: Write,
    editor: _Editor,
    version: IfMatch,
) -> Product:
    """Stop selling an article in a currency."""
    await catalog_edits.touch(session, product_id, version)
    await catalog_edits.require_variant(session, product_id, sku)
    await catalog_edits.remove_price(session, sku, currency, actor=editor.actor)
    return await _shown(session, product_id, response)


@router.get("/products/{product_id}/price-history/{sku:path}", responses=problems(401, 403, 404))
async def list_price_changes(
    product_id: UUID, sku: Sku, session: Read, _editor: _Editor, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[PriceChange]:
    """List how an article's prices have changed, newest first."""
    await catalog_edits.require_variant(session, product_id, sku)
    before = _NEWEST if cursor is None else decode(cursor, _POSITION)[0]
    page, last = cut(await catalog_edits.price_changes(session, sku, before=before, limit=limit + 1), limit)
    return Page[PriceChange](
        items=[PriceChange.model_validate(row) for row in page], next_cursor=None if last is None else encode(last.id)
    )


@router.post("/categories", status_code=201, responses=_ON_CREATE)
async def create_category(body: NewCategory, response: Response, session: Write, _editor: _Editor) -> Category:
    """Add a category."""
    await categories.keep_still(session)
    try:
        await categories.create(session, CategoryContent(body.slug, body.name, body.parent))
    except UnknownParentError:
        raise _no_parent() from None
    response.headers["Location"] = f"/v1/categories/{body.slug}"
    return await _category(session, body.slug, response)


@router.patch("/categories/{slug}", responses=_ON_CHANGE)
async def change_category(
    slug: Slug, body: CategoryChanges, response: Response, session: Write, _editor: _Editor, version: IfMatch
) -> Category:
    """Rename a category, or move it with all that is below it."""
    await categories.one_at_a_time(session)
    found = await categories.find(session, slug)
    if found is None:
        raise NotFoundError("no such category")
    parent = body.parent if "parent" in body.model_fields_set else found.parent
    wanted = CategoryContent(body.slug or found.slug, body.name or found.name, parent)
    try:
        await categories.change(session, found, wanted, version)
    except UnknownParentError:
        raise _no_parent() from None
    return await _category(session, wanted.slug, response)


@router.delete("/categories/{slug}", status_code=204, responses=problems(401, 403, 404, "in_use", 412, 428))
async def remove_category(slug: Slug, session: Write, _editor: _Editor, version: IfMatch) -> None:
    """Remove a category that holds neither products nor other categories, and that no promotion is about."""
    await categories.one_at_a_time(session)
    await categories.remove(session, slug, version)


@router.get("/attributes", dependencies=[PUBLIC], responses=problems())
async def list_attributes(session: Read) -> Page[Attribute]:
    """List the attributes that products may have."""
    return Page[Attribute](items=[Attribute.model_validate(row) for row in await attributes.every(session)])


@router.put("/attributes/{name}", responses=problems(401, 403, 409))
async def define_attribute(name: AttributeName, body: AttributeKind, session: Write, _editor: _Editor) -> Attribute:
    """Add an attribute, or change the type of one that no product has."""
    await attributes.define(session, name, body.type)
    return Attribute(name=name, type=body.type)


@router.delete("/attributes/{name}", status_code=204, responses=problems(401, 403, 404, 409))
async def remove_attribute(name: AttributeName, session: Write, _editor: _Editor) -> None:
    """Remove an attribute that no product has."""
    await attributes.remove(session, name)


async def _checked(session: AsyncSession, body: ProductFields) -> dict[str, UUID | None]:
    """Check the names that a product uses, and return its category as a column where it was given.

    Raises:
        InvalidRequestError: there is no such category or attribute, or a value is of another type.
    """
    if body.attributes:
        known = await attributes.used(session, body.attributes)
        for name, message in attributes.mistakes(known, body.attributes):
            raise InvalidRequestError(message, "body", "attributes", name)
    if "category" not in body.model_fields_set:
        return {}
    if body.category is None:
        return {"category_id": None}
    await categories.keep_still(session)
    found = await categories.find(session, body.category)
    if found is None:
        raise InvalidRequestError("There is no such category", "body", "category")
    return {"category_id": found.id}


async def _change_options(session: AsyncSession, product: UUID, body: ProductChanges, touched: Touched) -> None:
    """Give a touched product other options, and each of its variants a value for each of them."""
    names = touched.options if body.options is None else tuple(body.options)
    values = body.variant_options or {}
    await _require_variants(session, product, values, "variant_options")
    _require_options(names, *values.values(), field="variant_options")
    await catalog_edits.change_options(session, product, names, values)


async def _require_variants(session: AsyncSession, product: UUID, named: Iterable[str], field: str) -> None:
    if set(named) != set(await catalog_edits.skus(session, product)):
        raise InvalidRequestError("Each variant of the product should be named, and no other", "body", field)


def _require_options(names: tuple[str, ...], *options: dict[str, str], field: str = "options") -> None:
    try:
        require_options(names, options)
    except PydanticCustomError as mistake:
        raise InvalidRequestError(mistake.message(), "body", field) from None


def _no_parent() -> InvalidRequestError:
    return InvalidRequestError("There is no such category, or it is below this one", "body", "parent")


async def _add_variants(session: AsyncSession, product: UUID, variants: list[NewVariant], editor: Caller) -> None:
    await catalog_edits.add_variants(session, product, [variant.columns() for variant in variants])
    for variant in variants:
        for currency, price in variant.prices.items():
            await _set_price(session, variant.sku, currency, price, editor)


async def _set_price(session: AsyncSession, sku: str, currency: str, price: NewPrice, editor: Caller) -> None:
    money = Money(price.amount, currency)
    await catalog_edits.set_price(session, sku, money, compare_at=price.compare_at, actor=editor.actor)


async def _shown(session: AsyncSession, product: UUID, response: Response) -> Product:
    found = await catalog.find(session, product, everything=True)
    if found is None:
        raise NotFoundError("no such product")
    response.headers["ETag"] = etag(found.version, found.json.encode())
    return Product.model_validate_json(found.json)


async def _category(session: AsyncSession, slug: str, response: Response) -> Category:
    return tagged(Category.model_validate(await categories.find(session, slug)), response)
