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

from domain.order_states import ENDED
from tests.support.following import Follower, Heard
from tests.support.shopper import DECLINED, VISA, Cart, Shopper, unanswered

PRICE = 1000
"""What one of the goods costs, in minor units. Each order is two of them, or three where some are brought back."""
CODE, BASIS_POINTS = "THANKS", 1234
"""What makes three cost `ODD`: an amount that three do not divide."""
ODD = 2630

_PAUSE = 0.1
_PATIENCE = 180.0


@dataclass(frozen=True, slots=True)
class Ending:
    """What an order has come to, or has to: its status, what the shop keeps of its money, and the pieces that left."""

    status: str
    kept: int
    gone: int


@dataclass(frozen=True, slots=True)
class Told:
    """A story that was told to its end: which, of which order, how it has to end, and how long it took in seconds.

    `heard` is what somebody was told who has followed the order, `heard_out` whether nothing was left to follow.
    """

    story: str
    order_id: str
    ending: Ending
    seconds: float
    heard: tuple[Heard, ...] | None = None
    heard_out: bool = False


class Customer:
    """One buyer after the other, served by staff with a token."""

    def __init__(self, buyer: Shopper, staff: Shopper, dice: random.Random, sku: str) -> None:
        self._buyer = buyer
        self._staff = staff
        self._dice = dice
        self._sku = sku
        self._follower: Follower | None = None
        self._following: asyncio.Task[None] | None = None

    async def next_story(self) -> Told:
        """Tell one story of those that there are; every second order is followed meanwhile.

        Raises:
            TimeoutError: an order does not come to what it has to.
            AssertionError: an answer is none that may come.
        """
        name = self._dice.choices(list(STORIES), weights=[OFTEN.get(name, 1) for name in STORIES])[0]
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            order_id, ending = await STORIES[name](self)
            seconds = loop.time() - begun
            heard, heard_out = await self._heard(order_id, ending)
            return Told(name, order_id, ending, seconds, heard, heard_out)
        finally:
            await self._follow_no_more()

    # Stories ----------------------------------------------------------------------------------------------------------

    async def keep(self) -> tuple[str, Ending]:
        """Buy, and keep it."""
        _, order_id = await self._bought()
        return order_id, Ending("placed", 2 * PRICE, 2)

    async def cancel(self) -> tuple[str, Ending]:
        """Buy, and think better of it."""
        cart, order_id = await self._bought()
        await self._cancelled(cart, order_id)
        return order_id, Ending("cancelled", 0, 0)

    async def cancel_at_once(self) -> tuple[str, Ending]:
        """Cancel while the checkout is under way."""
        cart = await self._buyer.cart(self._sku, 2)
        order_id = await self._checked_out(cart, VISA, wait=0)
        await self._cancelled(cart, order_id)
        return order_id, Ending("cancelled", 0, 0)

    async def pay_with_another_card(self) -> tuple[str, Ending]:
        """Be declined, and pay with another card."""
        cart = await self._buyer.cart(self._sku, 2)
        order_id = await self._checked_out(cart, DECLINED)
        await self._comes_to(cart, order_id, "payment_required")
        await self._ask(
            self._buyer, f"/v1/orders/{order_id}/payments", {"payment_method": {"token": VISA}}, cart.headers
        )
        await self._comes_to(cart, order_id, "placed")
        return order_id, Ending("placed", 2 * PRICE, 2)

    async def give_up(self) -> tuple[str, Ending]:
        """Be declined, and give up."""
        cart = await self._buyer.cart(self._sku, 2)
        order_id = await self._checked_out(cart, DECLINED)
        await self._comes_to(cart, order_id, "payment_required")
        await self._cancelled(cart, order_id)
        return order_id, Ending("cancelled", 0, 0)

    async def get_something_back(self) -> tuple[str, Ending]:
        """Buy, and get a part of the money back."""
        cart, order_id = await self._bought()
        amount = self._dice.randint(1, PRICE)
        body = {"amount": {"amount": amount, "currency": "GBP"}, "reason": "damaged"}
        await self._ask(self._staff, f"/v1/orders/{order_id}/refunds", body)
        await self._until(cart, order_id, lambda order: order["refunded"]["amount"] == amount)
        return order_id, Ending("placed", 2 * PRICE - amount, 2)

    async def be_sent_two_parcels(self) -> tuple[str, Ending]:
        """Buy, and be sent one parcel after the other; both arrive."""
        cart, order_id = await self._bought()
        order = await self._until(cart, order_id, lambda order: bool(order["lines"]))
        one = [{"line_id": order["lines"][0]["line_id"], "quantity": 1}]
        await self._ask(self._staff, f"/v1/orders/{order_id}/shipments", {"lines": one})
        await self._comes_to(cart, order_id, "fulfilling")
        await self._sent(cart, order_id)
        await self._delivered(cart, order_id)
        return order_id, Ending("delivered", 2 * PRICE, 2)

    async def bring_something_back(self) -> tuple[str, Ending]:
        """Be sent three for an odd price, and bring them back in parts, of which each has a fate of its own."""
        cart, order_id = await self._bought(3, CODE)
        order = await self._sent(cart, order_id)
        if self._dice.random() < 0.5:
            order = await self._delivered(cart, order_id)
        [line], refund = order["lines"], self._dice.random() < 0.8
        parts = self._dice.choice([(1, 1, 1), (1, 2), (3,)])
        booked = await asyncio.gather(*(self._part(cart, order_id, line["line_id"], part, refund) for part in parts))
        came, restocked = (sum(pieces) for pieces in zip(*booked, strict=True))
        given = ODD * came // 3 if refund else 0
        await self._until(cart, order_id, lambda order: bool(order["refunded"]["amount"] == given))
        shown = (await self._until(cart, order_id, lambda _: True))["lines"][0]["returned_quantity"]
        assert shown == came, f"{order_id}: {shown} came back, not {came}"
        return order_id, Ending(order["status"], ODD - given, 3 - restocked)

    # Their parts ------------------------------------------------------------------------------------------------------

    async def _part(self, cart: Cart, order_id: str, line_id: str, quantity: int, refund: bool) -> tuple[int, int]:
        """Ask for one return; call it off, have it arrive, or both at once. Return how many came, and can be sold."""
        lines = [{"line_id": line_id, "quantity": quantity}]
        asked = await self._ask(self._buyer, f"/v1/orders/{order_id}/returns", {"lines": lines}, cart.headers)
        assert asked.get("status") == "requested", f"{order_id}: {asked}"
        came = self._dice.randint(1, quantity)
        restocked = self._dice.randint(0, came)
        arrived = [{"line_id": line_id, "quantity": came, "restock": restocked}]
        fate = self._dice.choices(("called off", "arrives", "both"), weights=(2, 5, 2))[0]
        path, times = f"/v1/returns/{asked['id']}", self._dice.randint(1, 2)
        asking = []
        if fate != "arrives":
            asking += [self._ask(self._buyer, f"{path}/cancel", None, cart.headers) for _ in range(times)]
        if fate != "called off":
            body = {"lines": arrived, "refund": refund}
            asking += [self._ask(self._staff, f"{path}/received", body) for _ in range(times)]
        said = await asyncio.gather(*asking)
        refused = [one for one in said if "code" in one]
        assert fate == "both" or not refused, f"return {asked['id']} that {fate}: {refused}"
        ended = await self._ended(cart, order_id, asked["id"])
        right = {"called off": {"cancelled"}, "arrives": {"received"}, "both": {"cancelled", "received"}}[fate]
        assert ended["status"] in right, f"return {asked['id']} that {fate}: {ended}"
        return (came, restocked) if ended["status"] == "received" else (0, 0)

    async def _ended(self, cart: Cart, order_id: str, return_id: str) -> dict[str, Any]:
        """Look at a return until it has ended."""
        try:
            async with asyncio.timeout(_PATIENCE):
                while True:
                    listed = await self._buyer.surely("GET", f"/v1/orders/{order_id}/returns", None, cart.headers)
                    [found] = [one for one in listed.json()["items"] if one["id"] == return_id]
                    if found["status"] != "requested":
                        return dict(found)
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            raise TimeoutError(f"return {return_id} of order {order_id} does not end") from None

    async def _bought(self, quantity: int = 2, *codes: str) -> tuple[Cart, str]:
        cart = await self._buyer.cart(self._sku, quantity, *codes)
        order_id = await self._checked_out(cart, VISA)
        await self._comes_to(cart, order_id, "placed")
        return cart, order_id

    async def _sent(self, cart: Cart, order_id: str) -> dict[str, Any]:
        """Have all that is left be sent."""
        await self._ask(self._staff, f"/v1/orders/{order_id}/shipments", {})
        return await self._comes_to(cart, order_id, "shipped")

    async def _delivered(self, cart: Cart, order_id: str) -> dict[str, Any]:
        listed = await self._buyer.surely("GET", f"/v1/orders/{order_id}/shipments", None, cart.headers)
        for shipment in listed.json()["items"]:
            await self._ask(self._staff, f"/v1/shipments/{shipment['id']}/delivered", None)
        return await self._comes_to(cart, order_id, "delivered")

    async def _checked_out(self, cart: Cart, card: str, *, wait: int = 15) -> str:
        """Check out; whoever follows the order does not wait for it, so that it is followed from its beginning."""
        follows = self._dice.random() < 0.5
        body = {"payment_method": {"token": card}}
        headers = {**cart.headers, "Prefer": f"wait={0 if follows else wait}"}
        said = await self._ask(self._buyer, f"{cart.path}/checkout", body, headers)
        order_id = said.get("order_id") or said.get("id")
        assert order_id, f"a checkout that became no order: {said}"
        if follows:
            self._follower = Follower(self._buyer.client, str(order_id), cart.headers, self._dice)
            self._following = asyncio.create_task(self._follower.follow())
        return str(order_id)

    async def _heard(self, order_id: str, ending: Ending) -> tuple[tuple[Heard, ...] | None, bool]:
        """Wait until whoever follows was told as much as the timeline tells, and that it is over where it is."""
        if self._follower is None or self._following is None:
            return None, False
        listed = await self._staff.surely("GET", f"/v1/orders/{order_id}/timeline")
        entries, heard = len(listed.json()["items"]), self._follower.heard
        try:
            async with asyncio.timeout(_PATIENCE):
                while not self._following.done() and (ending.status in ENDED or len(heard) < entries):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            raise TimeoutError(f"order {order_id}: only {heard} was told of {entries}") from None
        if self._following.done():
            await self._following
        return tuple(heard), self._follower.over

    async def _follow_no_more(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])
        self._follower = self._following = None

    async def _cancelled(self, cart: Cart, order_id: str) -> None:
        await self._ask(self._buyer, f"/v1/orders/{order_id}/cancel", {"reason": "requested"}, cart.headers)
        await self._comes_to(cart, order_id, "cancelled")

    async def _comes_to(self, cart: Cart, order_id: str, status: str) -> dict[str, Any]:
        return await self._until(cart, order_id, lambda order: bool(order["status"] == status))

    async def _until(self, cart: Cart, order_id: str, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Look at an order until it is as it has to be."""
        order: dict[str, Any] = {}
        try:
            async with asyncio.timeout(_PATIENCE):
                while True:
                    answer = await self._buyer.surely("GET", f"/v1/orders/{order_id}", None, cart.headers)
                    order = answer.json()
                    if done(order):
                        return order
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            raise TimeoutError(f"order {order_id} has stayed so: {order}") from None

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
    return None if unanswered(answer) or under_way else answer


STORIES: dict[str, Callable[[Customer], Awaitable[tuple[str, Ending]]]] = {
    "keep": Customer.keep,
    "cancel": Customer.cancel,
    "cancel at once": Customer.cancel_at_once,
    "pay with another card": Customer.pay_with_another_card,
    "give up": Customer.give_up,
    "get something back": Customer.get_something_back,
    "be sent two parcels": Customer.be_sent_two_parcels,
    "bring something back": Customer.bring_something_back,
}
OFTEN = {"bring something back": 4}
"""Stories that are told so many times as often as any other, as they have so many ways to go."""
