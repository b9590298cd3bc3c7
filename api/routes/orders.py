"""Orders: looked at, paid with another card, cancelled. Whoever has the secret of a cart opens its orders."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import TypeAdapter

from api import outcomes, receipts
from api.access import own_cart, own_order
from api.deps import Owns, OwnsByAccount, Read, Resources, ResourcesDep
from api.idempotency import IdempotentRoute, RequestId
from api.openapi import problems
from api.payment_ways import require_offered
from api.reviving import ask_order
from api.schemas.fields import Line, Moment
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, cut, decode, encode
from api.schemas.orders import AcceptedOrder, Cancellation, NewPayment, Order, TimelineEntry
from api.security import Caller, Scope
from api.waiting import Wait
from clients.orders import Accepted
from contracts.orders import Cancel, Pay
from db import orders, payments
from db.orders import OrderSearch
from domain.errors import IllegalStepError, NotFoundError, UnauthenticatedError
from domain.order_states import ENDED, OrderStatus

router = APIRouter(prefix="/v1/orders", tags=["orders"], route_class=IdempotentRoute)

_Reader = Annotated[Caller, Depends(Owns(Scope.ORDERS_ANY))]
_Lister = Annotated[Caller, Depends(OwnsByAccount(Scope.ORDERS_ANY))]
_Payer = Annotated[Caller, Depends(Owns(Scope.ORDERS_PAY))]
_Canceller = Annotated[Caller, Depends(Owns(Scope.ORDERS_CANCEL))]
_POSITION = TypeAdapter(tuple[datetime, UUID])
_ON_CHANGE = problems(401, 404, 409) | {202: {"model": AcceptedOrder}}


@router.get("", responses=problems(401, 403))
async def list_orders(
    *,
    session: Read,
    caller: _Lister,
    status: OrderStatus | None = None,
    number: Line | None = None,
    email: Line | None = None,
    since: Annotated[Moment | None, Query(alias="from", description="Made then or later; UTC unless it says.")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="Made before then.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[Order]:
    """List orders, newest first: one's own, or everybody's for staff."""
    search = OrderSearch(
        customer_id=None if caller.may(Scope.ORDERS_ANY) else _account(caller),
        status=status,
        number=number,
        email=email,
        since=since,
        until=until,
        after=None if cursor is None else decode(cursor, _POSITION),
        limit=limit + 1,
    )
    page, last = cut(await orders.search(session, search), limit)
    return Page[Order](
        items=[receipts.show(order) for order in page],
        next_cursor=None if last is None else encode(last.created_at, last.id),
    )


@router.get("/{order_id}", responses=problems(401, 404))
async def get_order(order_id: UUID, resources: ResourcesDep, caller: _Reader) -> Order:
    """Show an order, also one whose checkout was only just accepted."""
    return await _own(resources, caller, order_id)


@router.get("/{order_id}/timeline", responses=problems(401, 404))
async def get_order_timeline(order_id: UUID, resources: ResourcesDep, caller: _Reader) -> Page[TimelineEntry]:
    """List what happened to an order, oldest first. It outlives Temporal's own history."""
    await _own(resources, caller, order_id)
    async with resources.reads() as session:
        entries = [TimelineEntry.model_validate(row) for row in await orders.timeline(session, order_id)]
    if not caller.may(Scope.ORDERS_ANY):
        entries = [entry.model_copy(update={"note": None}) for entry in entries]
    return Page[TimelineEntry](items=entries)


@router.post(
    "/{order_id}/payments", status_code=201, responses=_ON_CHANGE | problems(402, "payment_method_unavailable")
)
async def pay_order(
    *,
    order_id: UUID,
    body: NewPayment,
    response: Response,
    resources: ResourcesDep,
    caller: _Payer,
    wait: Wait,
    request_id: RequestId,
) -> Order | AcceptedOrder:
    """Pay with another payment method, after one was declined."""
    order = await _own(resources, caller, order_id)
    if order.status in ENDED:
        raise IllegalStepError(f"a payment is not possible: the order is {order.status}")
    require_offered(resources.settings, body.payment_method.token)
    pay = Pay(payment_method=body.payment_method.token, actor=caller.actor)
    outcome = await ask_order(
        resources, order_id, lambda: resources.orders.pay(order_id, pay, wait=wait, request_id=request_id)
    )
    async with resources.reads() as session:
        return await outcomes.placed(session, response, outcome)


@router.post("/{order_id}/cancel", responses=_ON_CHANGE)
async def cancel_order(
    *,
    order_id: UUID,
    body: Cancellation | None = None,
    response: Response,
    resources: ResourcesDep,
    caller: _Canceller,
    wait: Wait,
    request_id: RequestId,
) -> Order | AcceptedOrder:
    """Cancel an order: everything is undone before it is shipped; later an operator is called.

    With `rest_only`, what was not shipped of it is cancelled, and what was is not touched.
    """
    order = await _own(resources, caller, order_id)
    if order.status is OrderStatus.CANCELLED:
        return order
    if order.status in ENDED:
        raise IllegalStepError(f"cancelling is not possible: the order is {order.status}")
    if body and body.reason:
        await _keep_note(resources, caller, order_id, request_id, body.reason)
    note_id = request_id if body and body.reason else None
    cancel = Cancel(actor=caller.actor, note_id=note_id, rest_only=bool(body and body.rest_only))
    outcome = await ask_order(
        resources, order_id, lambda: resources.orders.cancel(order_id, cancel, wait=wait, request_id=request_id)
    )
    if isinstance(outcome, Accepted):
        return outcomes.accepted(response, order_id, order.status if cancel.rest_only else OrderStatus.CANCELLING)
    async with resources.reads() as session:
        return await outcomes.shown(session, order_id)


def _account(caller: Caller) -> UUID:
    if caller.user_id is None:
        raise UnauthenticatedError("this needs an access token")
    return caller.user_id


async def _own(resources: Resources, caller: Caller, order_id: UUID) -> Order:
    """Return an order that the caller opens: its row, or, before it has one, the cart that Temporal says it is made of.

    Raises:
        NotFoundError: there is none, or it is somebody else's.
    """
    async with resources.reads() as session:
        order = await own_order(session, caller, order_id)
        waits = order is not None and order.status == OrderStatus.PAYMENT_REQUIRED
        action = await payments.action_of(session, order_id) if waits else None
    if action is not None and caller.may(Scope.ORDERS_ANY):
        action = action.for_staff
    if order is not None:
        return receipts.show(order, action)
    cart_id = await resources.orders.accepted_cart(order_id)
    if cart_id is None:
        raise NotFoundError("no such order")
    async with resources.reads() as session:
        cart = await own_cart(session, caller, cart_id)
        return await receipts.show_accepted(session, order_id, cart)


async def _keep_note(resources: Resources, caller: Caller, order_id: UUID, note_id: UUID, words: str) -> None:
    """Keep what somebody wrote: only its id goes to Temporal, whose histories know no people."""
    async with resources.writes.begin() as session:
        await orders.add_note(session, order_id, note_id, words, caller.actor)
