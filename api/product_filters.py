"""The filters of product lists and facets, as they stand in a query string."""

import json
from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Query
from pydantic import StringConstraints
from starlette.requests import Request

from api.deps import resources_of
from api.errors import InvalidRequestError
from api.schemas.fields import Currency, Line
from db import attributes
from db.product_filters import ProductFilter
from domain.money import MOST_MONEY
from models.catalog import AttributeType

_Amount = Annotated[int | None, Query(ge=0, le=MOST_MONEY)]
_Pair = Annotated[str, StringConstraints(max_length=330, pattern=r"^[a-z][a-z0-9_]{0,63}:[^\x00-\x1f]+$")]


async def _attributes(request: Request, pairs: Sequence[str]) -> str | None:
    """Read attribute filters by the types of their attributes, as the JSON that a product has to contain."""
    if not pairs:
        return None
    known = {row.name: row.type for row in await attributes.every(resources_of(request).single_reads)}
    wanted: dict[str, object] = {}
    for name, value in (_typed(known, *pair.split(":", 1)) for pair in pairs):
        held = wanted.setdefault(name, value)
        if isinstance(held, list) and isinstance(value, list):
            wanted[name] = [*held, *value]
        elif held != value:
            raise InvalidRequestError(f"A product has one {name}, and not two", "query", "attribute")
    return json.dumps(wanted)


def _typed(known: dict[str, AttributeType], name: str, value: str) -> tuple[str, object]:
    kind = known.get(name)
    if kind is None:
        raise InvalidRequestError("There is no such attribute", "query", "attribute")
    if kind is AttributeType.TEXT:
        return name, value
    if kind is AttributeType.LIST:
        return name, [value]
    try:
        read = json.loads(value)
    except ValueError:
        read = None
    if attributes.mistakes(known, {name: read}):
        raise InvalidRequestError(f"The value of {name} should be a {kind}", "query", "attribute")
    return name, read


async def _filter(
    *,
    request: Request,
    attribute: Annotated[list[_Pair], Query(max_length=10, description="`name:value`; several have to hold all.")] = [],  # noqa: B006 - FastAPI copies it
    q: Annotated[Line | None, Query(description="Words of title, SKU, vendor or description.")] = None,
    category: Annotated[Line | None, Query(description="Slug of a category; all below it are meant, too.")] = None,
    currency: Annotated[Currency | None, Query(description="Of the prices that filter and sort.")] = None,
    min_price: _Amount = None,
    max_price: _Amount = None,
    in_stock: bool | None = None,
) -> ProductFilter:
    return ProductFilter(
        currency=currency or resources_of(request).settings.currency,
        text=q,
        category=category,
        min_price=min_price,
        max_price=max_price,
        in_stock=in_stock,
        attributes=await _attributes(request, attribute),
    )


FilterDep = Annotated[ProductFilter, Depends(_filter)]
"""What of the shop is looked for."""
