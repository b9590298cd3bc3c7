"""Stock: what may be sold, for everybody; levels, movements, places, transfers, policies and alerts, for staff."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from api.audience import PUBLIC
from api.deps import CallerDep, Needs, Read, Write
from api.errors import InvalidRequestError
from api.etags import IfMatch, tagged
from api.idempotency import IdempotentRoute
from api.openapi import problems
from api.schemas.fields import Sku, Storable
from api.schemas.inventory import (
    Location,
    LocationCode,
    LocationEdit,
    NewAdjustment,
    NewLocation,
    NewTransfer,
    Stock,
    StockAlert,
    StockAtLocation,
    StockMovement,
    StockPolicy,
    StockPolicyChoice,
    Transfer,
)
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, cut, decode, encode
from api.security import Caller, Scope
from db import locations, stock, stock_alerts, stock_policies, transfers
from db.locations import LocationChange, LocationRow
from db.stock import Adjustment
from db.transfers import StockTransfer
from domain.errors import ConflictError, InsufficientStockError, NotFoundError
from models.inventory import MovementReason

router = APIRouter(prefix="/v1", tags=["inventory"], route_class=IdempotentRoute)

_Reader = Annotated[Caller, Depends(Needs(Scope.STOCK_READ))]
_Writer = Annotated[Caller, Depends(Needs(Scope.STOCK_WRITE))]
_MOVEMENT_POSITION = TypeAdapter(tuple[datetime, UUID])
_LOCATION_POSITION = TypeAdapter(tuple[Storable])
_ALERT_POSITION = TypeAdapter(tuple[UUID])
_BY_HAND = {MovementReason.RECEIPT, MovementReason.ADJUSTMENT}


@router.post("/stock/{sku:path}/adjustments", status_code=201, responses=problems(401, 403, 404, 409, 413))
async def adjust_stock(sku: Sku, body: NewAdjustment, session: Write, caller: _Writer) -> StockAtLocation:
    """Change what is on hand, but never below what orders hold."""
    await _require(session, sku, body.location)
    level = await stock.adjust(session, _adjustment(sku, body, caller))
    if level is None:
        raise InsufficientStockError("less would be left than orders hold")
    return StockAtLocation.model_validate(level)


@router.post("/stock/{sku:path}/transfers", status_code=201, responses=problems(401, 403, 404, 409, 413))
async def transfer_stock(sku: Sku, body: NewTransfer, session: Write, caller: _Writer) -> Transfer:
    """Move goods from one place to another, but never what orders hold."""
    if body.origin == body.destination:
        raise InvalidRequestError("There is nothing to move", "body", "to")
    await _require(session, sku, body.origin, "from")
    await _require(session, sku, body.destination, "to")
    order = StockTransfer(sku, body.origin, body.destination, body.quantity, body.reason, caller.actor)
    levels = await transfers.transfer(session, order)
    if levels is None:
        raise InsufficientStockError("less would be left than orders hold")
    return Transfer(
        origin=StockAtLocation.model_validate(levels[0]), destination=StockAtLocation.model_validate(levels[1])
    )


@router.get("/stock/{sku:path}/movements", responses=problems(401, 403, 404))
async def list_stock_movements(
    sku: Sku, session: Read, _: _Reader, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[StockMovement]:
    """List what changed the stock of a SKU, newest first."""
    if await stock.find(session, sku, everything=False) is None:
        raise NotFoundError("no such SKU")
    position = stock.NEWEST if cursor is None else decode(cursor, _MOVEMENT_POSITION)
    page, last = cut(await stock.movements(session, sku, limit=limit + 1, before=position), limit)
    return Page[StockMovement](
        items=[StockMovement.model_validate(row) for row in page],
        next_cursor=None if last is None else encode(last.created_at, last.id),
    )


@router.get("/stock/{sku:path}/policy", responses=problems(401, 403, 404))
async def get_stock_policy(sku: Sku, response: Response, session: Read, _: _Reader) -> StockPolicy:
    """Show what is decided about the stock of a SKU."""
    return tagged(StockPolicy.model_validate(await stock_policies.find(session, sku)), response)


@router.put("/stock/{sku:path}/policy", responses=problems(401, 403, 404, 412, 413, 428))
async def decide_stock_policy(
    *, sku: Sku, body: StockPolicyChoice, response: Response, session: Write, _: _Writer, version: IfMatch
) -> StockPolicy:
    """Decide how much more of a SKU may be sold than there is, and how little of it is little.

    A limit below what orders wait for takes nothing from them: it stops further ones.
    """
    decided = await stock_policies.decide(session, sku, body.backorder_limit, body.low_stock_at, version)
    return tagged(StockPolicy.model_validate(decided), response)


@router.get("/stock/alerts", responses=problems(401, 403))
async def list_stock_alerts(
    session: Read, _: _Reader, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[StockAlert]:
    """List when little was left of which SKU, newest first."""
    before = None if cursor is None else decode(cursor, _ALERT_POSITION)[0]
    page, last = cut(await stock_alerts.listed(session, limit=limit + 1, before=before), limit)
    return Page[StockAlert](
        items=[StockAlert.model_validate(row) for row in page], next_cursor=None if last is None else encode(last.id)
    )


@router.get("/stock/{sku:path}", dependencies=[PUBLIC], responses=problems(401, 404))
async def get_stock(sku: Sku, session: Read, caller: CallerDep) -> Stock:
    """Tell how much of a SKU may still be sold; staff also see where it lies, what is held, sold and awaited."""
    for_staff = caller.may(Scope.STOCK_READ)
    found = await stock.find(session, sku, everything=for_staff)
    if found is None:
        raise NotFoundError("no such SKU")
    return Stock.of(found, for_staff=for_staff)


@router.get("/locations", responses=problems(401, 403))
async def list_locations(
    session: Read, _: _Reader, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[Location]:
    """List the places that hold stock, by code."""
    after = "" if cursor is None else decode(cursor, _LOCATION_POSITION)[0]
    page, last = cut(await locations.page(session, limit=limit + 1, after=after), limit)
    return Page[Location](
        items=[Location.model_validate(row) for row in page], next_cursor=None if last is None else encode(last.code)
    )


@router.post("/locations", status_code=201, responses=problems(401, 403, 409, 413))
async def add_location(body: NewLocation, response: Response, session: Write, _: _Writer) -> Location:
    """Add a place that holds stock."""
    new = LocationRow(body.code, body.name, body.priority, body.countries, body.active)
    added = await locations.add(session, new)
    if added is None:
        raise ConflictError("there is a location with this code")
    response.headers["Location"] = f"/v1/locations/{added.code}"
    return tagged(Location.model_validate(added), response)


@router.get("/locations/{code}", responses=problems(401, 403, 404))
async def get_location(code: LocationCode, response: Response, session: Read, _: _Reader) -> Location:
    """Show a place that holds stock."""
    return tagged(Location.model_validate(await locations.find(session, code)), response)


@router.patch("/locations/{code}", responses=problems(401, 403, 404, 412, 413, 428))
async def change_location(
    *, code: LocationCode, body: LocationEdit, response: Response, session: Write, _: _Writer, version: IfMatch
) -> Location:
    """Change a place. What orders hold there stays held, whether it still sells or not."""
    change = LocationChange(body.name, body.priority, body.countries, body.active)
    changed = await locations.change(session, code, change, version)
    return tagged(Location.model_validate(changed), response)


async def _require(session: AsyncSession, sku: str, location: str, name: str = "location") -> None:
    sku_exists, location_exists = await stock.knows(session, sku, location)
    if not sku_exists:
        raise NotFoundError("no such SKU")
    if not location_exists:
        raise InvalidRequestError("There is no such location", "body", name)


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
