"""What a checkout, a payment or a cancellation came to, as an answer."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from api import receipts
from api.errors import ProblemError
from api.schemas.orders import AcceptedOrder, Order
from clients.orders import Accepted
from contracts.orders import OrderOutcome
from db import orders, payments, stock
from db.orders import OrderView
from domain.errors import TemporarilyUnavailableError
from domain.money import Money
from domain.order_states import FailureReason, OrderStatus
from domain.payment_methods import AWAITING_TRANSFER

_FOR_THE_BUYER = frozenset({"authentication_required", AWAITING_TRANSFER})
"""What the buyer can satisfy with the same payment method."""


async def placed(session: AsyncSession, response: Response, outcome: OrderOutcome | Accepted) -> Order | AcceptedOrder:
    """Answer a checkout or a payment with the order, or with 202 while its outcome is not known.

    Raises:
        ProblemError: the order was not placed; its code says why.
    """
    if isinstance(outcome, Accepted) or outcome.status is OrderStatus.PENDING:
        return accepted(response, outcome.order_id, OrderStatus.PENDING)
    match outcome.status:
        case OrderStatus.PAYMENT_REQUIRED:
            raise await _awaited_payment(session, outcome)
        case OrderStatus.FAILED:
            raise await _failure(session, outcome)
        case OrderStatus.CANCELLED | OrderStatus.CANCELLING:
            raise _cancelled(outcome.order_id)
        case _:
            return standing(await _row(session, outcome.order_id))


def standing(order: OrderView) -> Order:
    """Show the order that a cart has become.

    Raises:
        ProblemError: it was cancelled since.
    """
    if order.status in {OrderStatus.CANCELLING, OrderStatus.CANCELLED}:
        raise _cancelled(order.id)
    return receipts.show(order)


def accepted(response: Response, order_id: UUID, status: OrderStatus) -> AcceptedOrder:
    """Answer 202: what was asked for can not be lost, and its outcome has to be looked up."""
    response.status_code = 202
    response.headers["Location"] = f"/v1/orders/{order_id}"
    response.headers["Retry-After"] = "1"
    return AcceptedOrder(order_id=order_id, status=status)


async def shown(session: AsyncSession, order_id: UUID) -> Order:
    """Show an order that has a row."""
    return receipts.show(await _row(session, order_id))


async def recorded(session: AsyncSession, order_id: UUID) -> OrderOutcome | None:
    """Read off an order's row what its checkout came to; None when there is no row."""
    order = await orders.find(session, order_id)
    if order is None:
        return None
    return OrderOutcome(
        order_id=order.id,
        status=OrderStatus(order.status),
        reason=order.reason,
        decline_code=order.decline_code,
        total=Money(order.total, order.currency),
        needs_operator=order.needs_operator,
    )


def _cancelled(order_id: UUID) -> ProblemError:
    return ProblemError("conflict", "The order was cancelled.", order_id=str(order_id))


def _payment_problem(outcome: OrderOutcome) -> ProblemError:
    return ProblemError("payment_failed", "", order_id=str(outcome.order_id), decline_code=outcome.decline_code)


async def _awaited_payment(session: AsyncSession, outcome: OrderOutcome) -> ProblemError:
    """Say what the buyer has to do; the secret for it comes from the books, as histories know none."""
    if outcome.decline_code not in _FOR_THE_BUYER:
        return _payment_problem(outcome)
    action = await payments.action_of(session, outcome.order_id)
    return ProblemError(
        "payment_action_required",
        "",
        order_id=str(outcome.order_id),
        decline_code=outcome.decline_code,
        provider=action.provider if action else None,
        client_secret=action.client_secret if action else None,
        transfer_reference=action.transfer_reference if action else None,
    )


async def _failure(session: AsyncSession, outcome: OrderOutcome) -> ProblemError:
    order_id = str(outcome.order_id)
    match outcome.reason:
        case FailureReason.INSUFFICIENT_STOCK:
            short = outcome.shortages or await stock.shortages(session, outcome.order_id)
            lines = [asdict(shortage) for shortage in short]
            return ProblemError("insufficient_stock", "", order_id=order_id, lines=lines)
        case FailureReason.PRICE_CHANGED:
            quote = _quote(await _row(session, outcome.order_id))
            return ProblemError("price_changed", "", order_id=order_id, quote=quote)
        case _:
            return _payment_problem(outcome)


def _quote(order: OrderView) -> dict[str, Any]:
    parts = ("subtotal", "discount", "shipping", "tax", "tax_included", "total")
    amounts: dict[str, Any] = {part: {"amount": getattr(order, part), "currency": order.currency} for part in parts}
    return amounts | {"adjustments": [each.model_dump(mode="json") for each in receipts.adjustments(order)]}


async def _row(session: AsyncSession, order_id: UUID) -> OrderView:
    order = await orders.find(session, order_id)
    if order is None:
        raise TemporarilyUnavailableError("The order can not be read at the moment.")
    return order
