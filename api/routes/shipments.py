"""Goods that leave the house: sent and delivered by the warehouse, looked at by whoever has the order."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import TypeAdapter

from api import outcomes
from api.access import own_order
from api.deps import Needs, Owns, Read, Resources, ResourcesDep
from api.idempotency import IdempotentRoute, RequestId
from api.openapi import problems
from api.reviving import ask_order
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, cut, decode, encode
from api.schemas.orders import AcceptedOrder
from api.schemas.shipments import NewShipment, Shipment
from api.security import Caller, Scope
from api.waiting import Wait
from clients.orders import Accepted
from contracts.orders import MarkDelivered, Ship, ShippedLine
from db import orders, shipments
from db.shipments import ShipmentView
from domain.errors import IllegalStepError, NotFoundError, TemporarilyUnavailableError
from domain.order_states import OrderStatus
from models.shipments import ShipmentState

router = APIRouter(prefix="/v1", tags=["orders"], route_class=IdempotentRoute)

_Reader = Annotated[Caller, Depends(Owns(Scope.ORDERS_ANY))]
_Warehouse = Annotated[Caller, Depends(Needs(Scope.SHIPMENTS_WRITE))]
_POSITION = TypeAdapter(tuple[int])
_ON_CHANGE = problems(401, 403, 404, 409, 413) | {202: {"model": AcceptedOrder}}


@router.get("/orders/{order_id}/shipments", responses=problems(401, 404))
async def list_order_shipments(
    order_id: UUID, session: Read, caller: _Reader, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[Shipment]:
    """List an order's shipments, oldest first."""
    if await own_order(session, caller, order_id) is None:
        raise NotFoundError("no such order")
    after = 0 if cursor is None else decode(cursor, _POSITION)[0]
    page, last = cut(await shipments.of_order(session, order_id, limit=limit + 1, after=after), limit)
    return Page[Shipment](
        items=[Shipment.model_validate(row) for row in page], next_cursor=None if last is None else encode(last.n)
    )


@router.post("/orders/{order_id}/shipments", status_code=201, responses=_ON_CHANGE)
async def ship_order(
    *,
    order_id: UUID,
    body: NewShipment | None = None,
    response: Response,
    resources: ResourcesDep,
    caller: _Warehouse,
    wait: Wait,
    request_id: RequestId,
) -> Shipment | AcceptedOrder:
    """Send lines of an order, or all that is left; where each shipment takes its share of the money, after that."""
    async with resources.reads() as session:
        status = await orders.status(session, order_id)
    if status is None:
        raise NotFoundError("no such order")
    if status not in {OrderStatus.PLACED, OrderStatus.FULFILLING}:
        raise IllegalStepError(f"shipping is not possible: the order is {status}")
    ship = _asked(body or NewShipment(), caller, request_id)
    outcome = await ask_order(
        resources, order_id, lambda: resources.orders.ship(order_id, ship, wait=wait, request_id=request_id)
    )
    if isinstance(outcome, Accepted):
        return outcomes.accepted(response, order_id, status)
    return await _found(resources, request_id)


@router.post("/shipments/{shipment_id}/delivered", responses=_ON_CHANGE)
async def deliver_shipment(
    *, shipment_id: UUID, response: Response, resources: ResourcesDep, caller: _Warehouse, wait: Wait
) -> Shipment | AcceptedOrder:
    """Note that a shipment has arrived; with an order's last one, the order is delivered."""
    async with resources.reads() as session:
        shipment = await shipments.find(session, shipment_id)
    if shipment is None:
        raise NotFoundError("no such shipment")
    if shipment.state == ShipmentState.DELIVERED:
        return Shipment.model_validate(shipment)
    if shipment.state != ShipmentState.SHIPPED:
        raise IllegalStepError(f"delivery is not possible: the shipment is {shipment.state}")
    order_id = shipment.order_id
    delivered = MarkDelivered(actor=caller.actor, shipment_id=shipment_id)
    outcome = await ask_order(
        resources, order_id, lambda: resources.orders.mark_delivered(order_id, delivered, wait=wait)
    )
    if isinstance(outcome, Accepted):
        return outcomes.accepted(response, order_id, OrderStatus.SHIPPED)
    return await _found(resources, shipment_id)


def _asked(body: NewShipment, caller: Caller, request_id: UUID) -> Ship:
    return Ship(
        actor=caller.actor,
        carrier=body.carrier,
        tracking_number=body.tracking_number,
        lines=tuple(ShippedLine(line.line_id, line.quantity) for line in body.lines or ()),
        shipment_id=request_id,
    )


async def _found(resources: Resources, shipment_id: UUID) -> Shipment:
    async with resources.reads() as session:
        shipment: ShipmentView | None = await shipments.find(session, shipment_id)
    if shipment is None:
        raise TemporarilyUnavailableError("The shipment can not be read at the moment.")
    return Shipment.model_validate(shipment)
