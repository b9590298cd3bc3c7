"""Products and categories, as the shop shows them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from pydantic import TypeAdapter

from api.audience import PUBLIC
from api.deps import Read, ReaderDep, SettingsDep
from api.etags import etag, is_known
from api.openapi import problems
from api.schemas.catalog import Category, Product
from api.schemas.fields import Currency, Line, Storable
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, cut, decode, encode
from api.security import Caller, Scope
from db import catalog, categories
from db.catalog import ProductSearch, ProductSort
from domain.errors import NotFoundError
from domain.money import MOST_MONEY
from models.catalog import ProductStatus

router = APIRouter(prefix="/v1", tags=["catalog"], dependencies=[PUBLIC])

_Amount = Annotated[int | None, Query(ge=0, le=MOST_MONEY)]
_POSITIONS: dict[ProductSort, TypeAdapter[Any]] = {
    ProductSort.NEWEST: TypeAdapter(tuple[Literal[ProductSort.NEWEST], datetime, UUID]),
    ProductSort.TITLE: TypeAdapter(tuple[Literal[ProductSort.TITLE], Storable, UUID]),
    ProductSort.PRICE: TypeAdapter(tuple[Literal[ProductSort.PRICE], int, UUID]),
    ProductSort.PRICE_DESC: TypeAdapter(tuple[Literal[ProductSort.PRICE_DESC], int, UUID]),
}
_CATEGORY_POSITION = TypeAdapter(tuple[Storable])


@router.get("/products", responses=problems(401, 403))
async def list_products(
    *,
    session: Read,
    settings: SettingsDep,
    caller: ReaderDep,
    q: Annotated[Line | None, Query(description="Words in title, description or SKU.")] = None,
    category: Annotated[Line | None, Query(description="Slug of a category.")] = None,
    currency: Annotated[Currency | None, Query(description="Of the prices that filter and sort.")] = None,
    min_price: _Amount = None,
    max_price: _Amount = None,
    in_stock: bool | None = None,
    status: Annotated[ProductStatus, Query(description="Drafts and archived products are for editors.")] = (
        ProductStatus.ACTIVE
    ),
    sort: ProductSort = ProductSort.NEWEST,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[Product]:
    """List the products on sale."""
    if status is not ProductStatus.ACTIVE:
        caller.require(Scope.CATALOG_WRITE)
    search = ProductSearch(
        status=status,
        currency=currency or settings.currency,
        text=q,
        category=category,
        min_price=min_price,
        max_price=max_price,
        in_stock=in_stock,
        sort=sort,
        after=None if cursor is None else decode(cursor, _POSITIONS[sort])[1:],
        limit=limit + 1,
    )
    page, last = cut(await catalog.search(session, search), limit)
    return Page[Product](
        items=[Product.model_validate(row) for row in page],
        next_cursor=None if last is None else encode(sort, catalog.sort_key(last, sort), last.id),
    )


@router.get(
    "/products/{id_or_slug}",
    response_model=Product,
    responses=problems(401, 404)
    | {
        301: {"description": "It has another slug now.", "headers": {"Location": {"schema": {"type": "string"}}}},
        304: {"description": "It is as the cache knows it."},
    },
)
async def get_product(
    id_or_slug: Line,
    session: Read,
    caller: ReaderDep,
    if_none_match: Annotated[str | None, Header(max_length=2_000)] = None,
) -> Response:
    """Show one product, by its id or its slug: what is on sale, and to editors also what is not."""
    everything = caller.may(Scope.CATALOG_WRITE)
    found = await catalog.find(session, _id_or_slug(id_or_slug), everything=everything)
    if found is None:
        slug = await catalog.redirect(session, id_or_slug, everything=everything)
        if slug is None:
            raise NotFoundError("no such product")
        return Response(status_code=301, headers={"Location": f"/v1/products/{slug}"})
    body = Product.model_validate(found).model_dump_json().encode()
    headers = {"ETag": etag(found.version, body), "Cache-Control": _cached(caller), "Vary": "Authorization"}
    if is_known(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


@router.get("/categories", responses=problems())
async def list_categories(session: Read, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Page[Category]:
    """List the categories by slug."""
    after = "" if cursor is None else decode(cursor, _CATEGORY_POSITION)[0]
    page, last = cut(await categories.listed(session, limit=limit + 1, after=after), limit)
    return Page[Category](
        items=[Category.model_validate(row) for row in page], next_cursor=None if last is None else encode(last.slug)
    )


def _cached(caller: Caller) -> str:
    """Let every cache keep what everybody sees, if it asks again before it shows it; nobody what editors see."""
    return "no-store" if caller.may(Scope.CATALOG_WRITE) else "public, no-cache"


def _id_or_slug(name: str) -> UUID | str:
    try:
        return UUID(name)
    except ValueError:
        return name
