"""Products and categories, as the shop shows them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import TypeAdapter

from api.deps import Read, SettingsDep
from api.openapi import problems
from api.schemas.catalog import Category, Product
from api.schemas.fields import Currency, Line, Storable
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, cut, decode, encode
from db import catalog
from db.catalog import ProductSearch, ProductSort
from domain.errors import NotFoundError
from domain.money import MOST_MONEY

router = APIRouter(prefix="/v1", tags=["catalog"])

_Amount = Annotated[int | None, Query(ge=0, le=MOST_MONEY)]
_POSITIONS: dict[ProductSort, TypeAdapter[Any]] = {
    ProductSort.NEWEST: TypeAdapter(tuple[Literal[ProductSort.NEWEST], datetime, UUID]),
    ProductSort.TITLE: TypeAdapter(tuple[Literal[ProductSort.TITLE], Storable, UUID]),
    ProductSort.PRICE: TypeAdapter(tuple[Literal[ProductSort.PRICE], int, UUID]),
    ProductSort.PRICE_DESC: TypeAdapter(tuple[Literal[ProductSort.PRICE_DESC], int, UUID]),
}
_CATEGORY_POSITION = TypeAdapter(tuple[Storable])


@router.get("/products", responses=problems())
async def list_products(
    *,
    session: Read,
    settings: SettingsDep,
    q: Annotated[Line | None, Query(description="Words in title, description or SKU.")] = None,
    category: Annotated[Line | None, Query(description="Slug of a category.")] = None,
    currency: Annotated[Currency | None, Query(description="Of the prices that filter and sort.")] = None,
    min_price: _Amount = None,
    max_price: _Amount = None,
    in_stock: bool | None = None,
    sort: ProductSort = ProductSort.NEWEST,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[Product]:
    """List the products on sale."""
    search = ProductSearch(
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


@router.get("/products/{id_or_slug}", responses=problems(404))
async def get_product(id_or_slug: Line, session: Read) -> Product:
    """Show one product on sale, by its id or its slug."""
    found = await catalog.find(session, _id_or_slug(id_or_slug))
    if found is None:
        raise NotFoundError("no such product")
    return Product.model_validate(found)


@router.get("/categories", responses=problems())
async def list_categories(session: Read, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Page[Category]:
    """List the categories by slug."""
    after = "" if cursor is None else decode(cursor, _CATEGORY_POSITION)[0]
    page, last = cut(await catalog.categories(session, limit=limit + 1, after=after), limit)
    return Page[Category](
        items=[Category.model_validate(row) for row in page], next_cursor=None if last is None else encode(last.slug)
    )


def _id_or_slug(name: str) -> UUID | str:
    try:
        return UUID(name)
    except ValueError:
        return name
