"""The steps of an order, run one by one as a worker runs them: real PostgreSQL, real sandbox, no Temporal."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar, cast
from uuid import UUID

from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.notifications import NotificationActivities
from activities.orders import OrderActivities
from activities.payments import PaymentActivities
from activities.refunds import RefundActivities
from activities.returns import ReturnActivities
from activities.shipments import ShipmentActivities
from contracts.orders import (
    AdvanceOrder,
    CancelStep,
    OrderSnapshot,
    OrderStep,
    PlaceOrder,
    RequirePayment,
    RetryPayment,
)
from contracts.payments import AuthorisePayment, CapturePayment, ReversePayment
from domain.money import Money
from domain.order_states import EventType, OrderStatus
from domain.provider_payments import ProviderUnavailableError
from providers.rendering import JinjaRenderer
from providers.stripe import StripeProvider
from tests.support.meddler import Meddler
from tests.support.sandbox import SandboxForTests
from tests.support.shop import Shop
from tests.support.world import VISA, KeptMail, World

Request = TypeVar("Request")
Result = TypeVar("Result")
Step = Callable[[Request], Awaitable[Result]]

NO_TEMPORAL = cast("Client", None)
DEADLINE = datetime(2030, 1, 1, 12, 30, tzinfo=UTC)
MOST_ATTEMPTS = 30
TOTAL = Money(2000, "GBP")


async def attempt(step: Step[Request, Result], request: Request, number: int = 1) -> Result:
    """Run a step once, as its attempt of this number."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=number)
    return await environment.run(step, request)


async def insist(step: Step[Request, Result], request: Request, first: int = 1) -> Result:
    """Try a step until the provider has answered, as Temporal does, but without its pauses."""
    for number in range(first, MOST_ATTEMPTS):
        try:
            return await attempt(step, request, number)
        except ProviderUnavailableError:
            await asyncio.sleep(0)
    raise AssertionError("the provider never answers")


async def at_once(step: Step[Request, Result], request: Request, times: int = 20) -> list[Result]:
    """Run a step many times at once, each insisting on an answer."""
    return list(await asyncio.gather(*(insist(step, request) for _ in range(times))))


class Steps(World):
    """A world whose orders are brought forward by hand. An order is two mugs at 10.00 GBP out of ten."""

    def __init__(self, shop: Shop, provider: StripeProvider, sandbox: SandboxForTests) -> None:
        self.meddler = Meddler(provider)
        super().__init__(shop, NO_TEMPORAL, self.meddler, KeptMail())
        self.sandbox = sandbox
        self.sku = ""
        self.orders = OrderActivities(self.sessions)
        self.payments = PaymentActivities(self.sessions, self.providers)
        self.refunding = RefundActivities(self.sessions, self.providers)
        self.returns = ReturnActivities(self.sessions)
        self.shipments = ShipmentActivities(self.sessions, timedelta(days=30))
        self.notifications = NotificationActivities(self.sessions, self.mail, JinjaRenderer())

    async def buyer(self, *, card: str = VISA, stock: int = 10, expected: int | None = None) -> PlaceOrder:
        """Bring a buyer with a cart to the checkout; `steps.sku` is what is in it."""
        self.sku = await self.goods(stock=stock)
        return self.order_of(await self.cart((self.sku, 2)), card=card, expected=expected)

    async def opened(self, *, card: str = VISA) -> PlaceOrder:
        """Open an order."""
        order = await self.buyer(card=card)
        await attempt(self.orders.open, order)
        return order

    async def paid(self) -> PlaceOrder:
        """Open an order and take its money."""
        order = await self.opened()
        await insist(self.payments.authorise, authorise(order))
        await insist(self.payments.capture, capture(order))
        return order

    async def placed(self) -> PlaceOrder:
        """Place an order."""
        order = await self.paid()
        await attempt(self.orders.place, OrderStep(order.order_id))
        return order

    async def brought_to(self, status: OrderStatus) -> PlaceOrder:
        """Bring an order to a state, by the steps that lead there."""
        if status is OrderStatus.FAILED:
            order = await self.buyer(stock=1)
            await attempt(self.orders.open, order)
            return order
        if status in {OrderStatus.PENDING, OrderStatus.PAYMENT_REQUIRED, OrderStatus.CANCELLING, OrderStatus.CANCELLED}:
            order = await self.opened()
        else:
            order = await self.placed()
        step = OrderStep(order.order_id)
        if status is OrderStatus.PAYMENT_REQUIRED:
            await attempt(self.orders.require_payment, declined(order))
        if status in {OrderStatus.CANCELLING, OrderStatus.CANCELLED}:
            await attempt(self.orders.begin_cancel, cancel(order))
        if status is OrderStatus.CANCELLED:
            await attempt(self.orders.finish_cancel, step)
        for event in _FULFILMENT.get(status, ()):
            await attempt(self.orders.advance, AdvanceOrder(order.order_id, event, "operator:1"))
        assert (await self.order(order.order_id)).status is status
        return order

    async def intents(self, order_id: UUID) -> list[tuple[str, int, int]]:
        """Ask the sandbox's own tables for the payments of an order that were touched: status, captured, refunded."""
        rows = await self.sandbox.fetch(
            "SELECT status, captured_amount, refunded_amount FROM payment_intents"
            " WHERE order_id = $1 AND status <> 'requires_payment_method' ORDER BY seq",
            str(order_id),
        )
        return [tuple(row) for row in rows]

    async def refunds(self, order_id: UUID) -> list[int]:
        """Ask the sandbox's own tables what was given back to the buyer of an order, refund by refund."""
        rows = await self.sandbox.fetch(
            "SELECT r.amount FROM refunds r JOIN payment_intents p ON p.id = r.payment_intent WHERE p.order_id = $1",
            str(order_id),
        )
        return [row["amount"] for row in rows]

    async def books(self, order_id: UUID) -> tuple[str, int, int]:
        """Read an order's payment status and what was captured and refunded."""
        [(status, captured, refunded)] = await self.shop.run(
            "SELECT payment_status, captured_amount, refunded_amount FROM orders WHERE id = :id", id=order_id
        )
        return str(status), int(str(captured)), int(str(refunded))

    async def reservations(self, order_id: UUID) -> list[tuple[object, ...]]:
        """List an order's reservations: SKU, quantity and state."""
        return await self.shop.run(
            "SELECT sku, quantity, state FROM reservations WHERE order_id = :id ORDER BY sku", id=order_id
        )

    async def movements(self, order_id: UUID) -> list[tuple[object, ...]]:
        """List the changes of stock that an order has caused: reason and quantity."""
        return await self.shop.run(
            "SELECT reason, delta FROM stock_movements WHERE order_id = :id ORDER BY id", id=order_id
        )

    async def messages(self, order_id: UUID) -> list[tuple[object, ...]]:
        """List an order's messages: template, state and attempts."""
        return await self.shop.run(
            "SELECT template, state, attempts FROM notifications WHERE order_id = :id ORDER BY id", id=order_id
        )

    async def everything(self, order: PlaceOrder) -> dict[str, list[tuple[object, ...]]]:
        """Read every row of PostgreSQL that belongs to an order, to tell that nothing has changed."""
        of_order = (
            *("order_events", "order_lines", "reservations", "stock_movements", "notifications", "payment_operations"),
            *("refunds", "returns", "shipments"),
        )
        rows = {
            table: await self.shop.run(f"SELECT * FROM {table} WHERE order_id = :id ORDER BY 1, 2", id=order.order_id)
            for table in of_order
        }
        rows["orders"] = await self.shop.run("SELECT * FROM orders WHERE cart_id = :id ORDER BY id", id=order.cart_id)
        rows["carts"] = await self.shop.run("SELECT * FROM carts WHERE id = :id", id=order.cart_id)
        rows["stock_levels"] = await self.shop.run("SELECT * FROM stock_levels WHERE sku = :sku", sku=self.sku)
        return rows

    async def snapshot(self, order: PlaceOrder) -> OrderSnapshot:
        """Read how an order stands."""
        return await self.order(order.order_id)


_FULFILMENT = {
    OrderStatus.FULFILLING: (EventType.FULFILMENT_STARTED,),
    OrderStatus.SHIPPED: (EventType.SHIPPED,),
    OrderStatus.DELIVERED: (EventType.SHIPPED, EventType.DELIVERED),
    OrderStatus.CLOSED: (EventType.SHIPPED, EventType.DELIVERED, EventType.CLOSED),
}


def authorise(order: PlaceOrder, number: int = 1, card: str = "") -> AuthorisePayment:
    return AuthorisePayment(order.order_id, number, TOTAL, card or order.payment_method or "")


def capture(order: PlaceOrder, number: int = 1) -> CapturePayment:
    return CapturePayment(order.order_id, number, TOTAL)


def reverse(order: PlaceOrder, number: int = 1) -> ReversePayment:
    return ReversePayment(order.order_id, number)


def declined(order: PlaceOrder, number: int = 1) -> RequirePayment:
    return RequirePayment(order.order_id, number, "insufficient_funds", DEADLINE)


def another_card(order: PlaceOrder, number: int = 2) -> RetryPayment:
    return RetryPayment(order.order_id, number, "pm_card_mastercard", "guest")


def cancel(order: PlaceOrder, *, note_id: UUID | None = None) -> CancelStep:
    return CancelStep(order.order_id, order.cart_id, order.checkout_attempt, "guest", "requested", note_id)
