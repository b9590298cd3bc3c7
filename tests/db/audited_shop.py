"""A healthy shop with an order in every state, each brought there by the real steps, and the means to break it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.orders import AdvanceOrder, FlagOrder, OrderStep, PlaceOrder, RequirePayment
from db import notifications, payments
from db.audit import INVARIANTS
from db.audit.checks import Finding, count, examine
from db.audit.limits import Limits, parameters
from domain.money import Money
from domain.order_states import EventType
from models.payments import PaymentOperationKind
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
        self._keep("retried", await self._retried())
        self._keep("refunded", await self._cancelled(await steps.placed()))
        self._keep("voided", await self._voided())
        self._keep("waiting", await self._waiting())
        self._keep("expired", await self._expired())
        self._keep("short", await self._short())
        self._keep("buried", await self._buried())
        self._keep("pending", await self._pending())
        self._keep("cancelling", await self._cancelling())

    def _keep(self, name: str, order: PlaceOrder) -> None:
        self.orders[name], self.carts[name], self.skus[name] = order.order_id, order.cart_id, self.steps.sku

    async def _shipped(self) -> PlaceOrder:
        """Ship an order, and ask to cancel it afterwards: that is only noted, and an operator is called."""
        order = await self.steps.placed()
        await attempt(self.steps.orders.advance, AdvanceOrder(order.order_id, EventType.SHIPPED, "operator:1"))
        await attempt(self.steps.orders.begin_cancel, cancel(order))
        flag = FlagOrder(order.order_id, needs_operator=True, reason="parcel_lost", actor="system")
        await attempt(self.steps.orders.flag, flag)
        [message] = (await self.steps.order(order.order_id)).messages
        async with self.steps.sessions.begin() as session:
            await notifications.claim(session, message)
            await notifications.note_sent(session, message)
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
            await payments.learn_captured(session, order.order_id, 1, "pi_learnt")
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
