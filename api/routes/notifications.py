"""What buyers were told about their orders."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from api.access import own_order
from api.deps import Owns, Read
from api.openapi import problems
from api.schemas.lists import Page
from api.schemas.orders import Notification
from api.security import Caller, Scope
from db import notifications
from domain.errors import NotFoundError

router = APIRouter(prefix="/v1/orders", tags=["notifications"])

_Reader = Annotated[Caller, Depends(Owns(Scope.ORDERS_ANY))]


@router.get("/{order_id}/notifications", responses=problems(401, 404))
async def list_order_notifications(order_id: UUID, session: Read, caller: _Reader) -> Page[Notification]:
    """List the messages about an order, oldest first, and how far they have come."""
    if await own_order(session, caller, order_id) is None:
        raise NotFoundError("no such order")
    rows = await notifications.of_order(session, order_id)
    return Page[Notification](items=[Notification.model_validate(row) for row in rows])
