"""Products and categories, as the shop shows them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response
from pydantic import Field, TypeAdapter

from api.audience import PUBLIC
from api.deps import SHOWS_BEARER, Read, Single, VisitDep
from api.etags import etag, is_known, tagged
from api.openapi import problems
from api.product_filters import FilterDep
from api.schemas.catalog import Category, Facets, Product
from api.schemas.catalog_edits import Slug
from api.schemas.fields import Line, Storable
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, cut, decode, encode
from api.security import Scope
from db import catalog, categories, product_facets
from db.catalog import Part
from db.product_lists import ProductSearch, ProductSort
from domain.errors import NotFoundError
from models.catalog import ProductStatus

router = APIRouter(prefix="/v1", tags=["catalog"])

_Number = Annotated[int, Field(ge=0, lt=2**63)]
_POSITIONS: dict[ProductSort, TypeAdapter[Any]] = {
    ProductSort.NEWEST: TypeAdapter(tuple[Literal[ProductSort.NEWEST], datetime, UUID]),
    ProductSort.TITLE: TypeAdapter(tuple[Literal[ProductSort.TITLE], Storable, UUID]),
    ProductSort.PRICE: TypeAdapter(tuple[Literal[ProductSort.PRICE], _Number, UUID]),
    ProductSort.PRICE_DESC: TypeAdapter(tuple[Literal[ProductSort.PRICE_DESC], _Number, UUID]),
    ProductSort.RELEVANCE: TypeAdapter(tuple[Literal[ProductSort.RELEVANCE], _Number, UUID]),
}
_CATEGORY_POSITION = TypeAdapter(tuple[Storable])
_NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "It is as the cache knows it."}}
_IfNoneMatch = Annotated[str | None, Header(max_length=2_000, description="The `ETag` that a cache has.")]


@router.get(
    "/products",
    response_model=Page[Product],
    responses=problems(401, 403) | _NOT_MODIFIED,
    openapi_extra=SHOWS_BEARER,
)
async def list_products(
    *,
    visit: VisitDep,
    wanted: FilterDep,
    status: Annotated[ProductStatus, Query(description="Drafts and archived products are for editors.")] = (
        ProductStatus.ACTIVE
    ),
    sort: Annotated[
        ProductSort | None, Query(description="`relevance` where something is looked for (`q`), else `newest`.")
    ] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    if_none_match: _IfNoneMatch = None,
) -> Response:
    """List the products on sale; to editors, by `status` and newest first, also those that are not.

    A page may have fewer than `limit`, or none, and still have a `next_cursor`: hardly any product fits all filters.
    """
    chosen = _sort(sort, looked_for=wanted.text is not None)
    after = None if cursor is None else decode(cursor, _POSITIONS[chosen])[1:]
    if status is ProductStatus.ACTIVE:
        part = await catalog.search(visit.reads, ProductSearch(wanted, chosen, after, limit))
    else:
        visit.caller.require(Scope.CATALOG_WRITE)
        chosen = ProductSort.NEWEST
        part = await catalog.unsold(visit.reads, status, after=after, limit=limit)
    shared = status is ProductStatus.ACTIVE
    return _answer(0, _page(part, chosen), if_none_match, shared=shared)


@router.get("/products/facets", response_model=Facets, responses=problems(401) | _NOT_MODIFIED, dependencies=[PUBLIC])
async def count_facets(session: Single, wanted: FilterDep, if_none_match: _IfNoneMatch = None) -> Response:
    """Count the products that match, by category below, attribute, price and stock.

    Beyond 10,000 matches, or 20,000 products to look at, the counts are lower bounds (`exact` is false).
    """
    return _answer(0, await product_facets.count(session, wanted), if_none_match, shared=True)


@router.get(
    "/products/{id_or_slug}",
    response_model=Product,
    responses=problems(401, 404)
    | _NOT_MODIFIED
    | {301: {"description": "It has another slug now.", "headers": {"Location": {"schema": {"type": "string"}}}}},
    openapi_extra=SHOWS_BEARER,
)
async def get_product(id_or_slug: Line, visit: VisitDep, if_none_match: _IfNoneMatch = None) -> Response:
    """Show one product, by its id or its slug: what is on sale, and to editors also what is not."""
    everything = visit.caller.may(Scope.CATALOG_WRITE)
    found = await catalog.find(visit.reads, _id_or_slug(id_or_slug), everything=everything)
    if found is not None:
        return _answer(found.version, found.json, if_none_match, shared=not everything)
    slug = await catalog.redirect(visit.reads, id_or_slug, everything=everything)
    if slug is None:
        raise NotFoundError("no such product")
    return Response(status_code=301, headers={"Location": f"/v1/products/{slug}"})


@router.get("/categories", responses=problems(), dependencies=[PUBLIC])
async def list_categories(session: Read, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Page[Category]:
    """List the categories by slug."""
    after = "" if cursor is None else decode(cursor, _CATEGORY_POSITION)[0]
    page, last = cut(await categories.listed(session, limit=limit + 1, after=after), limit)
    return Page[Category](
        items=[Category.model_validate(row) for row in page], next_cursor=None if last is None else encode(last.slug)
    )


@router.get("/categories/{slug}", dependencies=[PUBLIC], responses=problems(404))
async def get_category(slug: Slug, response: Response, session: Read) -> Category:
    """Show a category; its `ETag` is what an edit of it has to name."""
    found = await categories.find(session, slug)
    if found is None:
        raise NotFoundError("no such category")
    return tagged(Category.model_validate(found), response)


def _sort(sort: ProductSort | None, *, looked_for: bool) -> ProductSort:
    """Choose an order; nothing is relevant where nothing is looked for."""
    if looked_for:
        return sort or ProductSort.RELEVANCE
    return ProductSort.NEWEST if sort in {None, ProductSort.RELEVANCE} else sort


def _page(part: Part, sort: ProductSort) -> str:
    """Join what PostgreSQL has written to a page; nothing is read and written again on the way."""
    cursor = "null" if part.after is None else f'"{encode(sort, *part.after)}"'
    return f'{{"items":[{",".join(found.json for found in part.products)}],"next_cursor":{cursor}}}'


def _answer(version: int, json: str, if_none_match: str | None, *, shared: bool) -> Response:
    """Answer with a tag; every cache may keep what everybody sees, if it asks again before it shows it."""
    body = json.encode()
    headers = {
        "ETag": etag(version, body),
        "Cache-Control": "public, no-cache" if shared else "no-store",
        "Vary": "Authorization",
    }
    if is_known(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _id_or_slug(name: str) -> UUID | str:
    try:
        return UUID(name)
    except ValueError:
        return name
