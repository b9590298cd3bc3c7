"""A healthy shop with an order in every state, each brought there by the real steps, and the means to break it."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.orders import FlagOrder, OrderStep, PlaceOrder, RequirePayment, ShippedLine
from contracts.payments import CapturePayment
from contracts.refunds import BeginRefund, RefundStep
from contracts.returns import TakeBack
from contracts.shipments import BeginShipment, ShipmentStep
from db import notifications, payments, returns
from db.audit import INVARIANTS
from db.audit.checks import Finding, count, examine
from db.audit.limits import Limits, parameters
from db.returns import ReturnRequest
from domain.captures import CapturePolicy
from domain.money import Money
from domain.order_ids import operation_key
from models.payments import PaymentOperationKind
from tests.support.prices import Prices
from tests.support.steps import Steps, another_card, attempt, authorise, cancel, capture, insist, reverse

DECLINED_CARD = "pm_card_chargeDeclinedInsufficientFunds"
_SOON = timedelta(minutes=30)


@dataclass
class AuditedShop:
    """`orders`, `carts` and `skus` go by what became of the order."""

    steps: Steps
    orders: dict[str, UUID] = field(default_factory=dict)
    carts: dict[str, UUID] = field(default_factory=dict)
    skus: dict[str, str] = field(default_factory=dict)

    async def fill(self) -> None:
        """Bring one order to each end that an order can come to."""
        steps = self.steps
        self._keep("placed", await steps.placed())
        self._keep("shipped", await self._shipped())
        self._keep("parted", await self._parted())
        self._keep("given_back", await self._given_back())
        self._keep("returned", await self._returned())
        self._keep("retried", await self._retried())
        self._keep("refunded", await self._cancelled(await steps.placed()))
        self._keep("voided", await self._voided())
        self._keep("waiting", await self._waiting())
        self._keep("expired", await self._expired())
        self._keep("short", await self._short())
        self._keep("buried", await self._buried())
        self._keep("pending", await self._pending())
        self._keep("cancelling", await self._cancelling())
        self._keep("given", await self._given())

    def _keep(self, name: str, order: PlaceOrder) -> None:
        self.orders[name], self.carts[name], self.skus[name] = order.order_id, order.cart_id, self.steps.sku

    async def _shipped(self) -> PlaceOrder:
        """Ship an order, and ask to cancel it afterwards: that is only noted, and an operator is called."""
        order = await self.steps.placed()
        await attempt(self.steps.shipments.begin, BeginShipment(order.order_id, uuid4(), "operator:1"))
        await attempt(self.steps.orders.begin_cancel, cancel(order))
        flag = FlagOrder(order.order_id, needs_operator=True, reason="parcel_lost", actor="system")
        await attempt(self.steps.orders.flag, flag)
        for message in (await self.steps.order(order.order_id)).messages:
            async with self.steps.sessions.begin() as session:
                await notifications.claim(session, message)
                await notifications.note_sent(session, message)
        return order

    async def _parted(self) -> PlaceOrder:
        """Send one of two, with its share of the money."""
        steps = self.steps
        order = replace(await steps.buyer(), capture=CapturePolicy.SHIPMENT)
        await attempt(steps.orders.open, order)
        await insist(steps.payments.authorise, authorise(order))
        await attempt(steps.orders.place, OrderStep(order.order_id))
        [[line]] = await steps.shop.run("SELECT line_id FROM order_lines WHERE order_id = :id", id=order.order_id)
        step = ShipmentStep(order.order_id, uuid4())
        half = (ShippedLine(UUID(str(line)), 1),)
        await attempt(steps.shipments.begin, BeginShipment(order.order_id, step.shipment_id, "operator:1", half))
        share = CapturePayment(order.order_id, 1, Money(1000, "GBP"), n=1, last=False)
        await insist(steps.payments.capture, share)
        await attempt(steps.shipments.send, step)
        return order

    async def _returned(self) -> PlaceOrder:
        """Send two, and take one back, with a refund of what it cost; the other one is on its way back."""
        steps = self.steps
        order = await steps.placed()
        await attempt(steps.shipments.begin, BeginShipment(order.order_id, uuid4(), "operator:1"))
        [[line]] = await steps.shop.run("SELECT line_id FROM order_lines WHERE order_id = :id", id=order.order_id)
        one, other = (ReturnRequest(uuid4(), order.order_id, "guest", ((UUID(str(line)), 1),)) for _ in range(2))
        async with steps.sessions.begin() as session:
            await returns.request(session, one)
            await returns.request(session, other)
        await attempt(steps.returns.take_back, TakeBack(order.order_id, one.return_id, "operator:1"))
        step = RefundStep(order.order_id, one.return_id)
        await insist(steps.refunding.give_back, step)
        await attempt(steps.refunding.settle, step)
        return order

    async def _given_back(self) -> PlaceOrder:
        """Refund a part of an order that stands, and begin to refund another."""
        order = await self.steps.placed()
        for amount in (500, 300):
            step = RefundStep(order.order_id, uuid4())
            begin = BeginRefund(order.order_id, step.refund_id, amount, None, "damaged", "operator:1")
            await attempt(self.steps.refunding.begin, begin)
            if amount == 500:
                await insist(self.steps.refunding.give_back, step)
                await attempt(self.steps.refunding.settle, step)
        return order

    async def _retried(self) -> PlaceOrder:
        order = await self._waiting()
        await attempt(self.steps.orders.retry_payment, another_card(order))
        await insist(self.steps.payments.authorise, authorise(order, 2, "pm_card_mastercard"))
        await insist(self.steps.payments.capture, capture(order, 2))
        await attempt(self.steps.orders.place, OrderStep(order.order_id))
        return order

    async def _cancelled(self, order: PlaceOrder) -> PlaceOrder:
        await attempt(self.steps.orders.begin_cancel, cancel(order))
        await insist(self.steps.payments.reverse, reverse(order))
        await attempt(self.steps.orders.finish_cancel, OrderStep(order.order_id))
        return order

    async def _voided(self) -> PlaceOrder:
        order = await self.steps.opened()
        await insist(self.steps.payments.authorise, authorise(order))
        return await self._cancelled(order)

    async def _waiting(self) -> PlaceOrder:
        order = await self.steps.opened(card=DECLINED_CARD)
        await insist(self.steps.payments.authorise, authorise(order))
        await insist(self.steps.payments.reverse, reverse(order))
        asked = RequirePayment(order.order_id, 1, "insufficient_funds", datetime.now(UTC) + _SOON)
        await attempt(self.steps.orders.require_payment, asked)
        return order

    async def _expired(self) -> PlaceOrder:
        order = await self._waiting()
        await attempt(self.steps.orders.expire, OrderStep(order.order_id))
        return order

    async def _short(self) -> PlaceOrder:
        order = await self.steps.buyer(stock=1)
        await attempt(self.steps.orders.open, order)
        return order

    async def _buried(self) -> PlaceOrder:
        order = await self.steps.buyer()
        await attempt(self.steps.orders.begin_cancel, cancel(order))
        return order

    async def _pending(self) -> PlaceOrder:
        """Stop in the middle: the provider is about to be asked."""
        order = await self.steps.opened()
        async with self.steps.sessions.begin() as session:
            kind = PaymentOperationKind.AUTHORISE
            await payments.start(session, order.order_id, kind, 1, amount=Money(2000, "GBP"), provider="stripe")
        return order

    async def _cancelling(self) -> PlaceOrder:
        """Stop in the middle: a capture whose answer was lost was learnt of, and is not refunded yet."""
        order = await self.steps.opened()
        await insist(self.steps.payments.authorise, authorise(order))
        await attempt(self.steps.orders.begin_cancel, cancel(order))
        kind = PaymentOperationKind.CAPTURE
        async with self.steps.sessions.begin() as session:
            await payments.fence(session, order.order_id, kind, 1, "stripe")
            await payments.learn_captured(session, operation_key(order.order_id, kind, 1), 2000, "pi_learnt")
        return order

    async def _given(self) -> PlaceOrder:
        """Place an order that a code has made free."""
        order = await self.steps.buyer()
        await Prices(self.steps.shop).promotion("ALLFREE", basis_points=10_000, use_limit=1)
        await self.steps.shop.run(
            "UPDATE carts SET promotion_codes = ARRAY['ALLFREE'] WHERE id = :id", id=order.cart_id
        )
        await attempt(self.steps.orders.open, order)
        await attempt(self.steps.orders.place, OrderStep(order.order_id))
        return order

    def values(self) -> dict[str, object]:
        """Name ids for statements: `:placed` is an order, `:cart_of_placed` and `:sku_of_placed` belong to it."""
        carts = {f"cart_of_{name}": cart for name, cart in self.carts.items()}
        return {**self.orders, **carts, **{f"sku_of_{name}": sku for name, sku in self.skus.items()}}


async def broken(session: AsyncSession, *, settled: bool = False) -> dict[str, Finding]:
    """Make every check in this transaction and return what was found broken, by the names of the checks."""
    values, counts = parameters(Limits(), settled=settled), await count(session)
    findings = [f for one in INVARIANTS for f in await examine(session, one.checks, values, counts)]
    return {finding.name: finding for finding in findings if finding.broken}


async def found_after(shop: AuditedShop, statements: tuple[str, ...], *, settled: bool = False) -> dict[str, Finding]:
    """Break the shop by SQL, look at what the checks find, and take everything back."""
    async with shop.steps.sessions() as session:
        for statement in statements:
            await session.execute(text(statement), shop.values())
        findings = await broken(session, settled=settled)
        await session.rollback()
    return findings


@dataclass(frozen=True, slots=True)
class Break:
    """A way to break the shop: the check that is about it, the row it names, and what else has to notice."""

    check: str
    statements: tuple[str, ...]
    row: dict[str, object]
    """What the row says; a text that begins with a colon is the id of that name."""
    also: frozenset[str] = field(default_factory=frozenset)


def breaking(check: str, *statements: str, also: str = "", **row: object) -> Break:
    return Break(check, statements, row, frozenset(also.split()))
