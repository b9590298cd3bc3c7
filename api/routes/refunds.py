"""Money that is given back while an order stands: by staff, within what each may; shown to whoever has the order."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import TypeAdapter

from api import outcomes
from api.access import own_order
from api.deps import Needs, Owns, Read, Resources, ResourcesDep
from api.idempotency import IdempotentRoute, RequestId
from api.openapi import problems
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, cut, decode, encode
from api.schemas.money import Money
from api.schemas.orders import AcceptedOrder
from api.schemas.refunds import NewRefund, Refund
from api.security import Caller, Scope
from api.waiting import Wait
from clients.orders import Accepted
from contracts import orders as contract
from db import orders, refunds
from db.orders import OrderView
from db.refunds import RefundView
from domain.errors import IllegalStepError, NotFoundError, TemporarilyUnavailableError
from domain.order_states import REFUNDABLE, OrderStatus
from domain.refunds import RefundStatus

router = APIRouter(prefix="/v1/orders", tags=["orders"], route_class=IdempotentRoute)

_Reader = Annotated[Caller, Depends(Owns(Scope.ORDERS_ANY))]
_Refunder = Annotated[Caller, Depends(Needs(Scope.REFUNDS_LIMITED))]
_POSITION = TypeAdapter(tuple[int])


@router.get("/{order_id}/refunds", responses=problems(401, 404))
async def list_order_refunds(
    order_id: UUID, session: Read, caller: _Reader, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[Refund]:
    """List an order's refunds, oldest first."""
    if await own_order(session, caller, order_id) is None:
        raise NotFoundError("no such order")
    after = 0 if cursor is None else decode(cursor, _POSITION)[0]
    page, last = cut(await refunds.of_order(session, order_id, limit=limit + 1, after=after), limit)
    staff = caller.may(Scope.ORDERS_ANY)
    return Page[Refund](
        items=[_shown(refund, staff=staff) for refund in page], next_cursor=None if last is None else encode(last.n)
    )


@router.post(
    "/{order_id}/refunds",
    status_code=201,
    responses=problems(401, 403, 404, 409, "currency_mismatch") | {202: {"model": AcceptedOrder}},
)
async def refund_order(
    *,
    order_id: UUID,
    body: NewRefund,
    response: Response,
    resources: ResourcesDep,
    caller: _Refunder,
    wait: Wait,
    request_id: RequestId,
) -> Refund | AcceptedOrder:
    """Give money back: an amount, or all that is left. Without the scope `refunds:any` within a limit an order."""
    order = await _refundable(resources, order_id)
    outcome = await resources.orders.refund(
        await _from_row(resources, order_id),
        await _asked(resources, caller, order_id, body, request_id),
        wait=wait,
        request_id=request_id,
    )
    if isinstance(outcome, Accepted):
        return outcomes.accepted(response, order_id, OrderStatus(order.status))
    async with resources.reads() as session:
        found = await refunds.find(session, request_id)
    if found is None:
        raise TemporarilyUnavailableError("The refund can not be read at the moment.")
    return _shown(found, staff=True)


async def _refundable(resources: Resources, order_id: UUID) -> OrderView:
    """Return an order that money may be given back of.

    Raises:
        NotFoundError, IllegalStepError: there is none, or its state does not allow it.
    """
    async with resources.reads() as session:
        order = await orders.find(session, order_id)
    if order is None:
        raise NotFoundError("no such order")
    if order.status not in REFUNDABLE:
        raise IllegalStepError(f"a refund is not possible: the order is {order.status}")
    return order


async def _from_row(resources: Resources, order_id: UUID) -> contract.PlaceOrder:
    async with resources.reads() as session:
        return await orders.restart(session, order_id)


async def _asked(
    resources: Resources, caller: Caller, order_id: UUID, body: NewRefund, request_id: UUID
) -> contract.Refund:
    """Ask for a refund; what somebody wrote is kept here, and only its id goes to Temporal."""
    if body.reason:
        async with resources.writes.begin() as session:
            await orders.add_note(session, order_id, request_id, body.reason, caller.actor)
    return contract.Refund(
        amount=body.amount.to_domain() if body.amount else None,
        actor=caller.actor,
        refund_id=request_id,
        note_id=request_id if body.reason else None,
        limit=None if caller.may(Scope.REFUNDS_ANY) else resources.settings.support_refund_limit,
    )


def _shown(refund: RefundView, *, staff: bool) -> Refund:
    shown = Refund(
        id=refund.id,
        amount=Money(amount=refund.amount, currency=refund.currency),
        status=RefundStatus(refund.state),
        created_at=refund.created_at,
    )
    if not staff:
        return shown
    for_staff = {"actor": refund.actor, "reason": refund.reason, "note": refund.note, "code": refund.code}
    return shown.model_copy(update=for_staff)
