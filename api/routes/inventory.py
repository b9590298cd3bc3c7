"""Stock: what is available, for everybody; levels, movements, locations and adjustments, for staff."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from api.audience import PUBLIC
from api.deps import CallerDep, Needs, Read, Write
from api.errors import InvalidRequestError
from api.idempotency import IdempotentRoute
from api.openapi import problems
from api.schemas.fields import Sku, Storable
from api.schemas.inventory import Location, NewAdjustment, NewLocation, Stock, StockAtLocation, StockMovement
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, cut, decode, encode
from api.security import Caller, Scope
from db import stock
from db.stock import Adjustment
from domain.errors import ConflictError, InsufficientStockError, NotFoundError
from models.inventory import MovementReason

router = APIRouter(prefix="/v1", tags=["inventory"], route_class=IdempotentRoute)

_Reader = Annotated[Caller, Depends(Needs(Scope.STOCK_READ))]
_Writer = Annotated[Caller, Depends(Needs(Scope.STOCK_WRITE))]
_MOVEMENT_POSITION = TypeAdapter(tuple[datetime, UUID])
_LOCATION_POSITION = TypeAdapter(tuple[Storable])
_BY_HAND = {MovementReason.RECEIPT, MovementReason.ADJUSTMENT}


@router.post("/stock/{sku:path}/adjustments", status_code=201, responses=problems(401, 403, 404, 409, 413))
async def adjust_stock(sku: Sku, body: NewAdjustment, session: Write, caller: _Writer) -> StockAtLocation:
    """Change what is on hand, but never below what orders hold."""
    await _require(session, sku, body.location)
    level = await stock.adjust(session, _adjustment(sku, body, caller))
    if level is None:
        raise InsufficientStockError("less would be left than orders hold")
    return StockAtLocation.model_validate(level)


@router.get("/stock/{sku:path}/movements", responses=problems(401, 403, 404))
async def list_stock_movements(
    sku: Sku, session: Read, _: _Reader, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[StockMovement]:
    """List what changed the stock of a SKU, newest first."""
    if await stock.levels(session, sku) is None:
        raise NotFoundError("no such SKU")
    position = stock.NEWEST if cursor is None else decode(cursor, _MOVEMENT_POSITION)
    page, last = cut(await stock.movements(session, sku, limit=limit + 1, before=position), limit)
    return Page[StockMovement](
        items=[StockMovement.model_validate(row) for row in page],
        next_cursor=None if last is None else encode(last.created_at, last.id),
    )


@router.get("/stock/{sku:path}", dependencies=[PUBLIC], responses=problems(401, 404))
async def get_stock(sku: Sku, session: Read, caller: CallerDep) -> Stock:
    """Tell how much of a SKU may still be sold; staff also see where it lies and what is held."""
    levels = await stock.levels(session, sku)
    if levels is None:
        raise NotFoundError("no such SKU")
    return Stock.of(sku, levels, with_locations=caller.may(Scope.STOCK_READ))


@router.get("/locations", responses=problems(401, 403))
async def list_locations(
    session: Read, _: _Reader, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[Location]:
    """List the places that hold stock, by code."""
    after = "" if cursor is None else decode(cursor, _LOCATION_POSITION)[0]
    page, last = cut(await stock.locations(session, limit=limit + 1, after=after), limit)
    return Page[Location](
        items=[Location.model_validate(row) for row in page], next_cursor=None if last is None else encode(last.code)
    )


@router.post("/locations", status_code=201, responses=problems(401, 403, 409, 413))
async def add_location(body: NewLocation, session: Write, _: _Writer) -> Location:
    """Add a place that holds stock."""
    added = await stock.add_location(session, body.code, body.name)
    if added is None:
        raise ConflictError("there is a location with this code")
    return Location.model_validate(added)


async def _require(session: AsyncSession, sku: str, location: str) -> None:
    sku_exists, location_exists = await stock.knows(session, sku, location)
    if not sku_exists:
        raise NotFoundError("no such SKU")
    if not location_exists:
        raise InvalidRequestError("There is no such location", "body", "location")


def _adjustment(sku: str, body: NewAdjustment, caller: Caller) -> Adjustment:
    """Read the reason: what is no reason of a movement that a person may give becomes its note."""
    by_hand = body.reason in _BY_HAND
    return Adjustment(
        sku=sku,
        location=body.location,
        delta=body.delta,
        reason=MovementReason(body.reason) if by_hand else MovementReason.ADJUSTMENT,
        note="" if by_hand else body.reason,
        actor=caller.actor,
    )
