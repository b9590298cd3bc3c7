"""Shipping zones with their methods: for staff, each edit for the version that was read."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from api import rule_changes
from api.deps import Needs, Read, Write
from api.etags import IfMatch, tagged
from api.idempotency import IdempotentRoute
from api.openapi import problems
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, cut, decode, encode
from api.schemas.price_rules import RuleChange, ShippingZone, ShippingZoneContent
from api.security import Caller, Scope
from db import price_edits, shipping_zones
from models.pricing import RuleAction, RuleKind

router = APIRouter(prefix="/v1/shipping-zones", tags=["prices"], route_class=IdempotentRoute)

_Editor = Annotated[Caller, Depends(Needs(Scope.PRICES_WRITE))]
_POSITION = TypeAdapter(tuple[str])


@router.post("", status_code=201, responses=problems(401, 403, "name_taken"))
async def create_shipping_zone(
    body: ShippingZoneContent, response: Response, session: Write, editor: _Editor
) -> ShippingZone:
    """Add a shipping zone. With the first one, every checkout needs a shipping method from then on."""
    zone = await shipping_zones.create(session, body.name, body.countries, _methods(body))
    response.headers["Location"] = f"/v1/shipping-zones/{zone}"
    await rule_changes.note(session, RuleKind.SHIPPING_ZONE, zone, RuleAction.CREATED, body=body, actor=editor.actor)
    return await _shown(session, zone, response)


@router.get("", responses=problems(401, 403))
async def list_shipping_zones(
    session: Read, _editor: _Editor, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[ShippingZone]:
    """List shipping zones by name."""
    after = "" if cursor is None else decode(cursor, _POSITION)[0]
    rows, last = cut(await shipping_zones.by_name(session, after=after, limit=limit + 1), limit)
    return Page[ShippingZone](
        items=[ShippingZone.of(row) for row in rows], next_cursor=None if last is None else encode(last.name)
    )


@router.get("/{zone_id}", responses=problems(401, 403, 404))
async def get_shipping_zone(zone_id: UUID, response: Response, session: Read, _editor: _Editor) -> ShippingZone:
    """Show a shipping zone."""
    return await _shown(session, zone_id, response)


@router.put("/{zone_id}", responses=problems(401, 403, 404, "name_taken", 412, 428))
async def replace_shipping_zone(
    *, zone_id: UUID, body: ShippingZoneContent, response: Response, session: Write, editor: _Editor, version: IfMatch
) -> ShippingZone:
    """Make a shipping zone say something else. Orders keep what they were opened at."""
    await price_edits.touch(session, RuleKind.SHIPPING_ZONE, zone_id, version)
    await shipping_zones.replace(session, zone_id, body.name, body.countries, _methods(body))
    await rule_changes.note(session, RuleKind.SHIPPING_ZONE, zone_id, RuleAction.CHANGED, body=body, actor=editor.actor)
    return await _shown(session, zone_id, response)


@router.delete("/{zone_id}", status_code=204, responses=problems(401, 403, 404, 412, 428))
async def remove_shipping_zone(zone_id: UUID, session: Write, editor: _Editor, version: IfMatch) -> None:
    """Remove a shipping zone; with the last one, no checkout needs a shipping method any more."""
    await price_edits.touch(session, RuleKind.SHIPPING_ZONE, zone_id, version)
    await price_edits.remove(session, RuleKind.SHIPPING_ZONE, zone_id, editor.actor)


@router.get("/{zone_id}/changes", responses=problems(401, 403, 404))
async def list_shipping_zone_changes(
    zone_id: UUID, session: Read, _editor: _Editor, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[RuleChange]:
    """List who has changed a shipping zone to what, newest first."""
    return await rule_changes.page(session, RuleKind.SHIPPING_ZONE, zone_id, limit, cursor)


def _methods(body: ShippingZoneContent) -> list[dict[str, Any]]:
    return [method.columns() for method in body.methods]


async def _shown(session: AsyncSession, zone: UUID, response: Response) -> ShippingZone:
    return tagged(ShippingZone.of(await shipping_zones.find(session, zone)), response)
