"""The steps of a checkout, each one transaction of its caller. All of them lock the cart first.

The cart's lock is what puts opening an order and giving it up in an order of their own: `open` refuses an attempt that
was given up, and giving up finds whatever `open` has done. `carts.checkout_attempt` is the tombstone.
"""

from dataclasses import replace
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.orders import CancelStep, OrderSnapshot, PlaceOrder, Shortage
from db import carts, inventory, notifications, order_log, order_prices, orders, redemptions, shipments
from db.carts import CartLineRow, CartRow
from domain.captures import CapturePolicy
from domain.errors import (
    CartCheckedOutError,
    CartExpiredError,
    ConflictError,
)
from domain.money import Money
from domain.order_states import (
    CANCELLABLE,
    ENDED,
    SHIPPED_ONWARD,
    EventType,
    FailureReason,
    OrderStatus,
    PaymentStatus,
)
from domain.payment_methods import taken_when
from domain.pricing import Quote
from domain.pricing.rules import ExplainedQuote
from domain.retry_schedule import RetrySchedule
from models.carts import CartStatus
from models.columns import new_id

_INSERT = text("""
WITH opened AS (
    INSERT INTO orders (
        id, cart_id, customer_id, checkout_attempt, status, payment_status, currency, subtotal_amount, discount_amount,
        shipping_amount, tax_amount, tax_included_amount, total_amount, captured_amount, refunded_amount,
        payment_method, payment_attempt, capture_policy, payment_retry_delays, payment_retry_holds_stock, email, phone,
        shipping_address, billing_address
    )
    SELECT CAST(:order_id AS uuid), id, customer_id, :attempt, 'pending', 'none', currency, :subtotal, :discount,
           :shipping, :tax, :tax_included, :total, 0, 0, :payment_method, 1, :capture,
           CAST(:retry_delays AS integer[]), CAST(:retry_holds_stock AS boolean), email, phone, shipping_address,
           billing_address
    FROM carts WHERE id = :cart_id
    RETURNING id, number
), sold AS (
    INSERT INTO order_lines (
        line_id, order_id, position, sku, title, quantity, unit_price_amount, total_amount, discount_amount, tax_amount,
        tax_included_amount
    )
    SELECT l.line_id, o.id, l.position - 1, l.sku, l.title, l.quantity, l.unit_price, l.unit_price * l.quantity,
           l.discount, l.tax, l.tax_included
    FROM opened o, unnest(
        CAST(:line_ids AS uuid[]), CAST(:skus AS text[]), CAST(:titles AS text[]), CAST(:quantities AS bigint[]),
        CAST(:unit_prices AS bigint[]), CAST(:discounts AS bigint[]), CAST(:taxes AS bigint[]),
        CAST(:taxes_included AS bigint[])
    ) WITH ORDINALITY AS l (line_id, sku, title, quantity, unit_price, discount, tax, tax_included, position)
), explained AS (
    INSERT INTO order_adjustments (order_id, position, type, code, label, line_id, amount)
    SELECT o.id, a.position, a.type, a.code, a.label, a.line_id, a.amount
    FROM opened o, unnest(
        CAST(:part_positions AS integer[]), CAST(:part_types AS text[]), CAST(:part_codes AS text[]),
        CAST(:part_labels AS text[]), CAST(:part_lines AS uuid[]), CAST(:part_amounts AS bigint[])
    ) AS a (position, type, code, label, line_id, amount)
), redeemed AS (
    INSERT INTO promotion_redemptions (promotion_id, order_id, state)
    SELECT p.id, o.id, 'live' FROM opened o, unnest(CAST(:redeemed AS uuid[])) AS p (id)
), begun AS (
    INSERT INTO order_events (order_id, type, from_status, to_status, actor, reason)
    SELECT id, 'opened', NULL, 'pending', 'buyer', NULL FROM opened
), frozen AS (
    UPDATE carts SET status = 'frozen', updated_at = now() WHERE id = :cart_id
)
SELECT number FROM opened
""")


class StaleCheckoutError(ConflictError):
    """This attempt was given up, or another order came out of the cart: whoever asked has to look again."""

    code = "stale_checkout"


class UnpaidOrderError(ConflictError):
    """An order was to be placed whose money is not there."""

    code = "unpaid_order"


async def open_order(session: AsyncSession, request: PlaceOrder) -> OrderSnapshot:
    """Freeze and price a cart, write its order and hold the stock; or return the order as it stands already.

    An order that can not be placed as it is (too little stock, another price than the buyer saw) is written as
    `failed`, holds nothing, and its cart stays open for the next attempt.

    Raises:
        NotFoundError, StaleCheckoutError, CartEmptyError, CartIncompleteError, UnknownSkuError,
        CurrencyUnavailableError, CartTooDearError, ShippingMethodRequiredError, ShippingUnavailableError: there is no
            order then.
    """
    request = replace(request, capture=taken_when(request.payment_method, request.capture))
    cart = await carts.lock(session, request.cart_id)
    if cart.status is not CartStatus.OPEN or cart.checkout_attempt != request.checkout_attempt:
        return await _existing(session, cart, request.order_id)
    lines = await _checked_lines(session, cart)
    price = await order_prices.settle(session, cart, lines)
    number = await _insert(session, cart, request, lines, price)
    if request.expected_total is not None and request.expected_total != price.quote.total:
        return await refuse(session, request.order_id, cart, FailureReason.PRICE_CHANGED)
    shortages = await inventory.hold(session, request.order_id, [(line.sku, line.quantity) for line in lines])
    if shortages:
        return await refuse(session, request.order_id, cart, FailureReason.INSUFFICIENT_STOCK, shortages)
    return OrderSnapshot(
        order_id=request.order_id,
        number=number,
        status=OrderStatus.PENDING,
        payment_status=PaymentStatus.NONE,
        total=price.quote.total,
        customer_id=cart.customer_id,
        payment_method=request.payment_method,
        capture=request.capture,
        retries_asked_for=bool(request.retry_delays),
    )


async def place_order(session: AsyncSession, order_id: UUID) -> OrderSnapshot:
    """Commit the stock, place the order, close its cart, and write down the confirmation that the buyer is owed.

    Raises:
        IllegalTransitionError: the order is being cancelled.
        UnpaidOrderError: its money was not captured.
    """
    await carts.close_of(session, order_id)
    if await order_log.advance(session, order_id, EventType.PLACED):
        await inventory.commit(session, order_id)
        await notifications.owe(session, order_id, "order_confirmation")
    placed = await orders.snapshot(session, order_id)
    paid = PaymentStatus.CAPTURED if placed.capture is CapturePolicy.PLACEMENT else PaymentStatus.AUTHORISED
    if placed.payment_status is not paid and placed.total.amount > 0:
        raise UnpaidOrderError("The money of this order was not captured, nor reserved for its shipments.")
    return placed


async def begin_cancel(session: AsyncSession, request: CancelStep) -> OrderSnapshot:
    """Mark an order as being undone. One that was never opened is written as cancelled: it can not be opened later.

    After shipment nothing is undone: the request is recorded and an operator is called, once until the operator has
    decided. An order that has ended is left as it is.
    """
    cart = await carts.lock(session, request.cart_id)
    status = await orders.status(session, request.order_id)
    if status is None:
        return await _bury(session, cart, request)
    actor, reason, note_id = request.actor, request.reason, request.note_id
    event = EventType.CANCEL_REQUESTED
    sent = status in SHIPPED_ONWARD or await shipments.anything_sent(session, request.order_id)
    if status in CANCELLABLE and not sent:
        await order_log.advance(session, request.order_id, event, actor=actor, reason=reason, note_id=note_id)
    elif sent and status not in ENDED and await orders.flag(session, request.order_id, reason="cancel_after_shipment"):
        await order_log.annotate(session, request.order_id, event, actor=actor, reason=reason, note_id=note_id)
    return await orders.snapshot(session, request.order_id)


async def finish_cancel(session: AsyncSession, order_id: UUID) -> OrderSnapshot:
    """Release the stock and end the order; a cart whose order was never placed is open again.

    Raises:
        IllegalTransitionError: nobody has begun to cancel it.
    """
    cart = await carts.lock_of(session, order_id)
    if await order_log.advance(session, order_id, EventType.CANCELLED):
        await _give_up(session, cart, order_id)
        await orders.clear_flag(session, order_id)
    return await orders.snapshot(session, order_id)


async def let_go(session: AsyncSession, order_id: UUID) -> OrderSnapshot:
    """Release the stock of an order that is being undone, before all of its money is back where it came from."""
    await carts.lock_of(session, order_id)
    if await orders.status(session, order_id) is OrderStatus.CANCELLING:
        await inventory.release(session, order_id)
        await shipments.abandon_all(session, order_id)
    return await orders.snapshot(session, order_id)


async def expire(session: AsyncSession, order_id: UUID) -> OrderSnapshot:
    """End an order that nobody paid: its stock is released and its cart is open again.

    Raises:
        IllegalTransitionError: it does not wait for a payment.
    """
    cart = await carts.lock_of(session, order_id)
    if await order_log.advance(session, order_id, EventType.PAYMENT_EXPIRED, failure=FailureReason.PAYMENT_EXPIRED):
        await _give_up(session, cart, order_id)
        await orders.clear_flag(session, order_id)
        await notifications.owe(session, order_id, "payment_expired")
    return await orders.snapshot(session, order_id)


async def _give_up(session: AsyncSession, cart: CartRow, order_id: UUID) -> None:
    await redemptions.release(session, order_id)
    await inventory.release(session, order_id)
    await shipments.abandon_all(session, order_id)
    await notifications.drop(session, order_id)
    if cart.status is CartStatus.FROZEN:
        await carts.reopen(session, cart.id)


async def _existing(session: AsyncSession, cart: CartRow, order_id: UUID) -> OrderSnapshot:
    """Go on with the order that this attempt has made; refuse an attempt that made none."""
    if await orders.status(session, order_id) is not None:
        return await orders.snapshot(session, order_id)
    if cart.status is CartStatus.ORDERED:
        raise CartCheckedOutError("This cart has become an order.")
    if cart.status is CartStatus.EXPIRED:
        raise CartExpiredError("This cart has expired.")
    raise StaleCheckoutError("This checkout was given up.")


async def _checked_lines(session: AsyncSession, cart: CartRow) -> list[CartLineRow]:
    lines = await carts.priced_lines(session, cart)
    carts.require_complete(cart, len(lines))
    return lines


async def _insert(
    session: AsyncSession, cart: CartRow, request: PlaceOrder, lines: list[CartLineRow], price: ExplainedQuote
) -> str:
    """Write the order, its lines, what explains its total and its first event, and freeze its cart, in one statement.

    Returns its number.
    """
    line_ids = [new_id() for _ in lines]
    values = {
        "order_id": request.order_id,
        "cart_id": cart.id,
        "attempt": request.checkout_attempt,
        "payment_method": request.payment_method,
        "retry_delays": RetrySchedule(request.retry_delays).seconds,
        "retry_holds_stock": request.retry_holds_stock,
        "capture": request.capture,
        "line_ids": line_ids,
        "skus": [line.sku for line in lines],
        "titles": [line.title for line in lines],
        "quantities": [line.quantity for line in lines],
        "unit_prices": [line.unit_price for line in lines],
        "redeemed": list(price.codes),
    }
    values |= order_prices.amounts(price.quote) | order_prices.parts(price.adjustments, line_ids)
    number: str = (await session.execute(_INSERT, values)).scalar_one()
    return number


async def refuse(
    session: AsyncSession,
    order_id: UUID,
    cart: CartRow,
    reason: FailureReason,
    shortages: tuple[Shortage, ...] = (),
) -> OrderSnapshot:
    """End an order that could not be placed, and give back the codes it uses; the cart is open for the next attempt."""
    await order_log.advance(session, order_id, EventType.REFUSED, reason=reason, failure=reason)
    await redemptions.release(session, order_id)
    await carts.reopen(session, cart.id)
    return replace(await orders.snapshot(session, order_id), shortages=shortages)


async def _bury(session: AsyncSession, cart: CartRow, request: CancelStep) -> OrderSnapshot:
    """Write an order that was cancelled before it was opened, so that it can be found and never opened."""
    if cart.checkout_attempt != request.checkout_attempt:
        raise StaleCheckoutError("This checkout was given up.")
    nothing = Money.zero(cart.currency)
    price = ExplainedQuote(Quote(nothing, nothing, nothing, nothing, nothing), ())
    order = PlaceOrder(request.order_id, cart.id, request.checkout_attempt)
    await _insert(session, cart, order, [], price)
    await order_log.advance(
        session,
        request.order_id,
        EventType.CANCEL_REQUESTED,
        actor=request.actor,
        reason=request.reason,
        note_id=request.note_id,
    )
    await order_log.advance(session, request.order_id, EventType.CANCELLED)
    await carts.reopen(session, cart.id)
    return await orders.snapshot(session, request.order_id)
