"""Staff who say that money has come or was paid back, as the API has it said."""

from datetime import timedelta

from clients.payment_events import PaymentEventDesk
from contracts.orders import PlaceOrder
from db import confirmations
from domain.manual_payments import Confirmation, Receipt
from domain.money import Money
from tests.support.world import World

OPERATOR = "operator:7"


def receipt(order: PlaceOrder, amount: int, reference: str = "") -> Receipt:
    """Say that money has moved; the reference is one of its own."""
    return Receipt(order.order_id, Money(amount, "GBP"), reference or f"bank {order.order_id} {amount}", OPERATOR)


async def received(world: World, order: PlaceOrder, amount: int = 2000, reference: str = "") -> Confirmation:
    """Say that the money of an order has come, and tell its workflow."""
    async with world.sessions.begin() as session:
        outcome, event = await confirmations.receive(session, receipt(order, amount, reference))
    if event is not None:
        await PaymentEventDesk(world.sessions, world.client, timedelta(minutes=30)).hand_over(event)
    return outcome


async def paid_back(world: World, order: PlaceOrder, amount: int, reference: str = "") -> None:
    """Say that money which was owed to the buyer of an order was paid, and tell its workflow."""
    said = receipt(order, amount, reference or f"paid {order.order_id} {amount}")
    async with world.sessions.begin() as session:
        event = await confirmations.pay_back(session, said)
    if event is not None:
        await PaymentEventDesk(world.sessions, world.client, timedelta(minutes=30)).hand_over(event)


async def owed(world: World, order: PlaceOrder) -> list[int]:
    """List what is owed to the buyer of an order."""
    async with world.sessions.begin() as session:
        everything = await confirmations.owed(session, limit=10_000, after=None)
    return [one.amount.amount for one in everything if one.order_id == order.order_id]
