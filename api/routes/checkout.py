"""The checkout: a cart becomes an order, once, however often it is asked for."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api import outcomes
from api.access import own_cart
from api.deps import MetricsDep, Owns, Resources, ResourcesDep
from api.errors import ProblemError
from api.idempotency import IdempotentRoute
from api.openapi import problems
from api.payment_ways import require_offered
from api.schemas.orders import AcceptedOrder, Checkout, Order
from api.security import Caller, Scope
from api.waiting import Wait
from clients.orders import Accepted, OrderRefusedError
from contracts.orders import OrderOutcome, PlaceOrder
from db import orders, ready_carts
from db.carts import CartRow
from domain.errors import CartExpiredError
from domain.order_ids import order_id
from domain.order_states import OrderStatus
from models.carts import CartStatus
from settings import Settings

router = APIRouter(prefix="/v1/carts", tags=["orders"], route_class=IdempotentRoute)

_Buyer = Annotated[Caller, Depends(Owns(Scope.CARTS_WRITE))]
_ON_CHECKOUT = problems(
    *(401, 402, 404),
    *("cart_empty", "cart_in_checkout", "cart_checked_out", "cart_expired", "stale_checkout"),
    *("insufficient_stock", "price_changed", "shipping_method_required", "shipping_unavailable"),
    *("unknown_sku", "currency_mismatch", "promotion_code_invalid", "payment_method_unavailable"),
)
_LOOK_AGAIN = {"stale_checkout", "cart_checked_out"}
"""Refusals that say that this checkout is over, but not what it came to."""


@router.post(
    "/{cart_id}/checkout",
    status_code=201,
    responses=_ON_CHECKOUT | {202: {"model": AcceptedOrder}},
)
async def check_out(
    *,
    cart_id: UUID,
    body: Checkout,
    response: Response,
    resources: ResourcesDep,
    metrics: MetricsDep,
    caller: _Buyer,
    wait: Wait,
) -> Order | AcceptedOrder:
    """Make a cart an order. Asked again, also at the same time, it answers with the same order."""
    async with resources.statements() as session:
        cart = await own_cart(session, caller, cart_id)
        _require_currency(cart, body)
        if cart.status is CartStatus.ORDERED:
            order = await orders.latest_of_cart(session, cart.id)
            if order is not None:
                return outcomes.standing(order)
        require_offered(resources.settings, body.payment_method.token)
        await _require_ready(session, cart, body.payment_method.token)
    with metrics.checkouts.counted(response):
        outcome = await _place(resources, _request(cart, body, resources.settings), wait)
        async with resources.statements() as session:
            return await outcomes.placed(session, response, outcome)


def _require_currency(cart: CartRow, body: Checkout) -> None:
    if body.expected_total is not None and body.expected_total.currency != cart.currency:
        raise ProblemError("currency_mismatch", f"the cart is in {cart.currency}")


async def _require_ready(session: AsyncSession, cart: CartRow, payment_method: str) -> None:
    """Refuse what can not become an order before anything is started for it. A frozen cart is being made one."""
    if cart.status is CartStatus.EXPIRED:
        raise CartExpiredError("the cart has expired")
    if cart.status is not CartStatus.OPEN:
        await _require_same_payment(session, cart, payment_method)
        return
    await ready_carts.require(session, cart)


async def _require_same_payment(session: AsyncSession, cart: CartRow, payment_method: str) -> None:
    """Refuse another card here while the order waits for one: a payment of the order is the way to offer it."""
    made = order_id(cart.id, cart.checkout_attempt)
    if await orders.status(session, made) is not OrderStatus.PAYMENT_REQUIRED:
        return
    if (await orders.snapshot(session, made)).payment_method != payment_method:
        raise ProblemError("cart_in_checkout", "the order of this cart waits for a payment", order_id=str(made))


def _request(cart: CartRow, body: Checkout, settings: Settings) -> PlaceOrder:
    return PlaceOrder(
        order_id=order_id(cart.id, cart.checkout_attempt),
        cart_id=cart.id,
        checkout_attempt=cart.checkout_attempt,
        payment_method=body.payment_method.token,
        expected_total=body.expected_total.to_domain() if body.expected_total else None,
        hold=settings.hold,
        capture=settings.capture,
        retry_delays=settings.retry_schedule.delays if body.payment_method.retry else (),
        retry_holds_stock=settings.payment_retry_holds_stock,
    )


async def _place(resources: Resources, request: PlaceOrder, wait: timedelta) -> OrderOutcome | Accepted:
    """Place the order; where its checkout is over, its row says what it came to.

    So it does after a decline: Temporal tells the first outcome for ever, but another card may have been offered since.
    """
    try:
        outcome = await resources.orders.place(request, wait=wait)
    except OrderRefusedError as refusal:
        if refusal.code not in _LOOK_AGAIN:
            raise
        recorded = await _recorded(resources, request)
        if recorded is None:
            raise
        return recorded
    if isinstance(outcome, Accepted) or outcome.status is not OrderStatus.PAYMENT_REQUIRED:
        return outcome
    return await _recorded(resources, request) or outcome


async def _recorded(resources: Resources, request: PlaceOrder) -> OrderOutcome | None:
    async with resources.statements() as session:
        return await outcomes.recorded(session, request.order_id)
