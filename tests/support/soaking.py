"""Buyers and staff who go on with whatever they were about while the processes under them are killed.

Every request is repeated with its key until there is an answer. A story knows what its order has to come to.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2

from tests.support.shopper import DECLINED, VISA, Cart, Shopper

PRICE = 1000
"""What one of the goods costs, in minor units. Each order is two of them."""

_PAUSE = 0.1
_PATIENCE = 180.0


@dataclass(frozen=True, slots=True)
class Ending:
    """What an order has come to, or has to: its status, and what the shop keeps of its money."""

    status: str
    kept: int


@dataclass(frozen=True, slots=True)
class Told:
    """A story that was told to its end: which, of which order, how it has to end, and how long it took in seconds."""

    story: str
    order_id: str
    ending: Ending
    seconds: float


class Customer:
    """One buyer after the other, served by staff with a token."""

    def __init__(self, buyer: Shopper, staff: Shopper, dice: random.Random, sku: str) -> None:
        self._buyer = buyer
        self._staff = staff
        self._dice = dice
        self._sku = sku

    async def next_story(self) -> Told:
        """Tell one story of those that there are.

        Raises:
            TimeoutError: an order does not come to what it has to.
            AssertionError: an answer is none that may come.
        """
        name = self._dice.choice(list(STORIES))
        loop = asyncio.get_running_loop()
        begun = loop.time()
        order_id, ending = await STORIES[name](self)
        return Told(name, order_id, ending, loop.time() - begun)

    # Stories ----------------------------------------------------------------------------------------------------------

    async def keep(self) -> tuple[str, Ending]:
        """Buy, and keep it."""
        _, order_id = await self._bought()
        return order_id, Ending("placed", 2 * PRICE)

    async def cancel(self) -> tuple[str, Ending]:
        """Buy, and think better of it."""
        cart, order_id = await self._bought()
        await self._cancelled(cart, order_id)
        return order_id, Ending("cancelled", 0)

    async def cancel_at_once(self) -> tuple[str, Ending]:
        """Cancel while the checkout is under way."""
        cart = await self._buyer.cart(self._sku, 2)
        order_id = await self._checked_out(cart, VISA, wait=0)
        await self._cancelled(cart, order_id)
        return order_id, Ending("cancelled", 0)

    async def pay_with_another_card(self) -> tuple[str, Ending]:
        """Be declined, and pay with another card."""
        cart = await self._buyer.cart(self._sku, 2)
        order_id = await self._checked_out(cart, DECLINED)
        await self._comes_to(cart, order_id, "payment_required")
        await self._ask(
            self._buyer, f"/v1/orders/{order_id}/payments", {"payment_method": {"token": VISA}}, cart.headers
        )
        await self._comes_to(cart, order_id, "placed")
        return order_id, Ending("placed", 2 * PRICE)

    async def give_up(self) -> tuple[str, Ending]:
        """Be declined, and give up."""
        cart = await self._buyer.cart(self._sku, 2)
        order_id = await self._checked_out(cart, DECLINED)
        await self._comes_to(cart, order_id, "payment_required")
        await self._cancelled(cart, order_id)
        return order_id, Ending("cancelled", 0)

    async def get_something_back(self) -> tuple[str, Ending]:
        """Buy, and get a part of the money back."""
        cart, order_id = await self._bought()
        amount = self._dice.randint(1, PRICE)
        body = {"amount": {"amount": amount, "currency": "GBP"}, "reason": "damaged"}
        await self._ask(self._staff, f"/v1/orders/{order_id}/refunds", body)
        await self._until(cart, order_id, lambda order: order["refunded"]["amount"] == amount)
        return order_id, Ending("placed", 2 * PRICE - amount)

    async def be_sent_two_parcels(self) -> tuple[str, Ending]:
        """Buy, and be sent one parcel after the other; both arrive."""
        cart, order_id = await self._bought()
        order = await self._until(cart, order_id, lambda order: bool(order["lines"]))
        one = [{"line_id": order["lines"][0]["line_id"], "quantity": 1}]
        await self._ask(self._staff, f"/v1/orders/{order_id}/shipments", {"lines": one})
        await self._comes_to(cart, order_id, "fulfilling")
        await self._ask(self._staff, f"/v1/orders/{order_id}/shipments", {})
        await self._comes_to(cart, order_id, "shipped")
        listed = await self._buyer.surely("GET", f"/v1/orders/{order_id}/shipments", None, cart.headers)
        for shipment in listed.json()["items"]:
            await self._ask(self._staff, f"/v1/shipments/{shipment['id']}/delivered", None)
        await self._comes_to(cart, order_id, "delivered")
        return order_id, Ending("delivered", 2 * PRICE)

    # Their parts ------------------------------------------------------------------------------------------------------

    async def _bought(self) -> tuple[Cart, str]:
        cart = await self._buyer.cart(self._sku, 2)
        order_id = await self._checked_out(cart, VISA)
        await self._comes_to(cart, order_id, "placed")
        return cart, order_id

    async def _checked_out(self, cart: Cart, card: str, *, wait: int = 15) -> str:
        body = {"payment_method": {"token": card}}
        headers = {**cart.headers, "Prefer": f"wait={wait}"}
        said = await self._ask(self._buyer, f"{cart.path}/checkout", body, headers)
        order_id = said.get("order_id") or said.get("id")
        assert order_id, f"a checkout that became no order: {said}"
        return str(order_id)

    async def _cancelled(self, cart: Cart, order_id: str) -> None:
        await self._ask(self._buyer, f"/v1/orders/{order_id}/cancel", {"reason": "requested"}, cart.headers)
        await self._comes_to(cart, order_id, "cancelled")

    async def _comes_to(self, cart: Cart, order_id: str, status: str) -> None:
        await self._until(cart, order_id, lambda order: bool(order["status"] == status))

    async def _until(self, cart: Cart, order_id: str, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Look at an order until it is as it has to be."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                answer = await self._buyer.surely("GET", f"/v1/orders/{order_id}", None, cart.headers)
                order: dict[str, Any] = answer.json()
                if done(order):
                    return order
                await asyncio.sleep(_PAUSE)

    async def _ask(
        self, asker: Shopper, path: str, body: object, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """Ask, with one key, until there is an answer: well, accepted, or that it is so already.

        What was done before a crash and is asked for again is refused as a step that the order has behind it.
        """
        headers = {**(headers or {}), "Idempotency-Key": str(uuid4())}
        async with asyncio.timeout(_PATIENCE):
            while True:
                answer = await _answer(asker, path, body, headers)
                if answer is not None:
                    break
                await asyncio.sleep(_PAUSE)
        assert answer.is_success or answer.status_code in {402, 409}, f"{path}: {answer.status_code} {answer.text}"
        said: dict[str, Any] = answer.json()
        return said


async def _answer(asker: Shopper, path: str, body: object, headers: dict[str, str]) -> httpx2.Response | None:
    """Ask once; None where the shop could not answer, or is still about it."""
    try:
        answer = await asker.client.post(path, json=body, headers=headers)
    except httpx2.TransportError:
        return None
    under_way = answer.status_code == 409 and answer.json()["code"] == "idempotency_in_progress"
    return None if answer.status_code >= 500 or under_way else answer


STORIES: dict[str, Callable[[Customer], Awaitable[tuple[str, Ending]]]] = {
    "keep": Customer.keep,
    "cancel": Customer.cancel,
    "cancel at once": Customer.cancel_at_once,
    "pay with another card": Customer.pay_with_another_card,
    "give up": Customer.give_up,
    "get something back": Customer.get_something_back,
    "be sent two parcels": Customer.be_sent_two_parcels,
}
