"""Payments that people confirm: staff say that money has come or was paid back, as a provider's events do."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends
from pydantic import TypeAdapter

from api.deps import Needs, Read, Resources, ResourcesDep
from api.idempotency import IdempotentRoute
from api.openapi import problems
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, cut, decode, encode
from api.schemas.manual_payments import ConfirmedMoney, MovedMoney, OwedRefund
from api.schemas.money import Money
from api.security import Caller, Scope
from db import confirmations
from db.webhooks import StoredEvent
from domain.errors import TemporarilyUnavailableError
from domain.manual_payments import Confirmation, Receipt

router = APIRouter(prefix="/v1", tags=["payments"], route_class=IdempotentRoute)

_Cashier = Annotated[Caller, Depends(Needs(Scope.PAYMENTS_CONFIRM))]
_POSITION = TypeAdapter(tuple[datetime, UUID])
_ON_CONFIRMATION = problems(401, 403, 404, "amount_mismatch", "receipt_used", "illegal_transition")

log = structlog.get_logger(__name__)


@router.post("/orders/{order_id}/payments/confirm", status_code=201, responses=_ON_CONFIRMATION)
async def confirm_payment(
    order_id: UUID, body: MovedMoney, resources: ResourcesDep, caller: _Cashier
) -> ConfirmedMoney:
    """Say that the money of an order has come. The order goes on by itself; the same reference counts once."""
    receipt = _receipt(order_id, body, caller)
    async with resources.sessions.begin() as session:
        outcome, event = await confirmations.receive(session, receipt)
    await _hand_over(resources, event)
    return _confirmed(receipt, outcome)


@router.post("/orders/{order_id}/refunds/confirm", status_code=201, responses=_ON_CONFIRMATION)
async def confirm_refund(order_id: UUID, body: MovedMoney, resources: ResourcesDep, caller: _Cashier) -> ConfirmedMoney:
    """Say that money which was owed to a buyer was paid: the refund of this amount that was owed for longest."""
    receipt = _receipt(order_id, body, caller)
    async with resources.sessions.begin() as session:
        event = await confirmations.pay_back(session, receipt)
    await _hand_over(resources, event)
    return _confirmed(receipt, Confirmation.PAID)


@router.get("/payments/owed", responses=problems(401, 403))
async def list_owed_refunds(
    session: Read, _: _Cashier, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[OwedRefund]:
    """List what people have to pay back, what is owed for longest first."""
    after = None if cursor is None else decode(cursor, _POSITION)
    page, last = cut(await confirmations.owed(session, limit=limit + 1, after=after), limit)
    return Page[OwedRefund](
        items=[OwedRefund.model_validate(one) for one in page],
        next_cursor=None if last is None else encode(last.owed_since, last.id),
    )


async def _hand_over(resources: Resources, event: StoredEvent | None) -> None:
    """Tell the order's workflow. Where it can not be told now, a chore does within a minute: nothing is lost."""
    if event is None:
        return
    try:
        await resources.payment_events.hand_over(event)
    except TemporarilyUnavailableError:
        log.warning("confirmation_kept_for_later", event_id=event.event_id)


def _receipt(order_id: UUID, body: MovedMoney, caller: Caller) -> Receipt:
    return Receipt(order_id, body.amount.to_domain(), body.reference, caller.actor)


def _confirmed(receipt: Receipt, outcome: Confirmation) -> ConfirmedMoney:
    return ConfirmedMoney(
        order_id=receipt.order_id,
        amount=Money.model_validate(receipt.amount),
        reference=receipt.reference,
        outcome=outcome,
    )
