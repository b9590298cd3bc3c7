"""Goods that come back: asked for and called off by whoever has the order, received by the warehouse."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from api import outcomes
from api.access import own_order
from api.deps import Needs, Owns, Read, Resources, ResourcesDep, Write
from api.idempotency import IdempotentRoute, RequestId
from api.openapi import problems
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, cut, decode, encode
from api.schemas.money import Money
from api.schemas.orders import AcceptedOrder
from api.schemas.returns import NewReturn, Return, ReturnArrival, ReturnCancellation, ReturnLine, ReturnRefund
from api.security import Caller, Scope
from api.waiting import Wait
from clients.orders import Accepted
from contracts.orders import ArrivedLine, OrderOutcome, ReceiveReturn
from db import orders, returns
from db.returns import ReturnRequest, ReturnView
from domain.errors import IllegalStepError, NotFoundError, TemporarilyUnavailableError
from domain.order_states import OrderStatus
from domain.refunds import RefundStatus
from domain.returns import ReturnStatus

router = APIRouter(prefix="/v1", tags=["orders"], route_class=IdempotentRoute)

_Reader = Annotated[Caller, Depends(Owns(Scope.ORDERS_ANY))]
_Asker = Annotated[Caller, Depends(Owns(Scope.RETURNS_REQUEST))]
_Warehouse = Annotated[Caller, Depends(Needs(Scope.RETURNS_WRITE))]
_POSITION = TypeAdapter(tuple[int])
_MOMENT = TypeAdapter(tuple[datetime, UUID])


@router.get("/orders/{order_id}/returns", responses=problems(401, 404))
async def list_order_returns(
    order_id: UUID, session: Read, caller: _Reader, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[Return]:
    """List an order's returns, oldest first."""
    if await own_order(session, caller, order_id) is None:
        raise NotFoundError("no such order")
    after = 0 if cursor is None else decode(cursor, _POSITION)[0]
    page, last = cut(await returns.of_order(session, order_id, limit=limit + 1, after=after), limit)
    return Page[Return](items=[_shown(row) for row in page], next_cursor=None if last is None else encode(last.n))


@router.get("/returns", responses=problems(401, 403))
async def list_awaited_returns(
    session: Read, _: _Warehouse, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[Return]:
    """List the returns whose goods are awaited, longest awaited first."""
    after = None if cursor is None else decode(cursor, _MOMENT)
    page, last = cut(await returns.awaited(session, limit=limit + 1, after=after), limit)
    return Page[Return](
        items=[_shown(row) for row in page],
        next_cursor=None if last is None else encode(last.created_at, last.id),
    )


@router.post("/orders/{order_id}/returns", status_code=201, responses=problems(401, 404, 409, 413))
async def return_order(
    *, order_id: UUID, body: NewReturn | None = None, session: Write, caller: _Asker, return_id: RequestId
) -> Return:
    """Ask to bring back lines of an order, or all that was sent: 100 times at most, and once it is closed by staff."""
    order = await own_order(session, caller, order_id)
    if order is None:
        raise NotFoundError("no such order")
    if order.status == OrderStatus.CLOSED and not caller.may(Scope.RETURNS_REQUEST):
        raise IllegalStepError("a return is not possible: the time for returns has ended")
    asked = body or NewReturn()
    wanted = ReturnRequest(
        return_id=return_id,
        order_id=order_id,
        actor=caller.actor,
        lines=tuple((line.line_id, line.quantity) for line in asked.lines or ()),
        note_id=await _kept(session, order_id, return_id, asked.reason, caller),
    )
    await returns.request(session, wanted)
    return await _found(session, return_id)


@router.post("/returns/{return_id}/cancel", responses=problems(401, 404, 409))
async def cancel_return(
    *, return_id: UUID, body: ReturnCancellation | None = None, session: Write, caller: _Asker, request_id: RequestId
) -> Return:
    """Call a return off: its goods stay with their buyer, and may be asked to come back again."""
    found = await returns.find(session, return_id)
    if found is None or await own_order(session, caller, found.order_id) is None:
        raise NotFoundError("no such return")
    if found.state != ReturnStatus.CANCELLED:
        note_id = await _kept(session, found.order_id, request_id, body.reason if body else None, caller)
        await returns.cancel(session, found.order_id, return_id, actor=caller.actor, note_id=note_id)
    return await _found(session, return_id)


@router.post(
    "/returns/{return_id}/received", responses=problems(401, 403, 404, 409, 413) | {202: {"model": AcceptedOrder}}
)
async def receive_return(
    *,
    return_id: UUID,
    body: ReturnArrival | None = None,
    response: Response,
    resources: ResourcesDep,
    caller: _Warehouse,
    wait: Wait,
    request_id: RequestId,
) -> Return | AcceptedOrder:
    """Note what of a return has arrived: it is put back into stock, and what was paid for it is given back."""
    async with resources.reads() as session:
        found = await returns.find(session, return_id)
        order = None if found is None else await orders.find(session, found.order_id)
    if found is None or order is None:
        raise NotFoundError("no such return")
    if found.state == ReturnStatus.RECEIVED:
        return _shown(found)
    outcome = await _receive(resources, found.order_id, _arrived(return_id, body, caller), wait, request_id)
    if isinstance(outcome, Accepted):
        return outcomes.accepted(response, found.order_id, OrderStatus(order.status))
    async with resources.reads() as session:
        return await _found(session, return_id)


def _arrived(return_id: UUID, body: ReturnArrival | None, caller: Caller) -> ReceiveReturn:
    arrival = body or ReturnArrival()
    return ReceiveReturn(
        return_id=return_id,
        actor=caller.actor,
        lines=tuple(ArrivedLine(line.line_id, line.quantity, line.restock) for line in arrival.lines or ()),
        location=arrival.location,
        refund=arrival.refund,
    )


async def _receive(
    resources: Resources, order_id: UUID, arrived: ReceiveReturn, wait: timedelta, request_id: UUID
) -> OrderOutcome | Accepted:
    async with resources.reads() as session:
        start = await orders.restart(session, order_id)
    return await resources.orders.receive_return(start, arrived, wait=wait, request_id=request_id)


async def _kept(session: AsyncSession, order_id: UUID, note_id: UUID, words: str | None, caller: Caller) -> UUID | None:
    """Keep what somebody wrote, and name it; None where nobody has written anything."""
    if not words:
        return None
    await orders.add_note(session, order_id, note_id, words, caller.actor)
    return note_id


async def _found(session: AsyncSession, return_id: UUID) -> Return:
    found = await returns.find(session, return_id)
    if found is None:
        raise TemporarilyUnavailableError("The return can not be read at the moment.")
    return _shown(found)


def _shown(row: ReturnView) -> Return:
    refund = None
    if row.refunded is not None and row.refund_state is not None:
        amount = Money(amount=row.refunded, currency=row.currency)
        refund = ReturnRefund(amount=amount, status=RefundStatus(row.refund_state))
    return Return(
        id=row.id,
        order_id=row.order_id,
        status=ReturnStatus(row.state),
        reason=row.reason,
        answer=row.answer,
        lines=[ReturnLine.model_validate(line) for line in row.lines],
        refund=refund,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
