"""A guest who shops over HTTP like any storefront, and asks again where the shop could not answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2

PERSON = {
    "email": "grace.hopper@example.org",
    "phone": "+447700900123",
    "shipping_address": {
        "name": "Grace Hopper",
        "line1": "7 Compiler Close",
        "city": "Whitby",
        "postal_code": "YO21 1AA",
        "country": "GB",
        "phone": "+447700900123",
    },
}
VISA = "pm_card_visa"
DECLINED = "pm_card_chargeDeclined"
_PAUSE = 0.05
_PATIENCE = 60.0
_MOST = 1_000


@dataclass(frozen=True, slots=True)
class Cart:
    """A cart that is ready to be checked out, and the secret that opens it."""

    id: UUID
    token: str

    @property
    def path(self) -> str:
        return f"/v1/carts/{self.id}"

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Cart-Token": self.token}


class Shopper:
    """Talks to one API process."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client

    async def cart(self, sku: str, quantity: int = 1, *codes: str) -> Cart:
        """Fill a cart, and type codes of promotions."""
        opened = (await self.surely("POST", "/v1/carts", {})).json()
        cart = Cart(UUID(opened["id"]), opened["token"])
        await self.surely("PATCH", cart.path, {**PERSON, "promotion_codes": codes}, cart.headers)
        await self.put(cart, sku, quantity)
        return cart

    async def put(self, cart: Cart, sku: str, quantity: int) -> None:
        """Have so many of a SKU in a cart."""
        await self.surely("PUT", f"{cart.path}/lines/{sku}", {"quantity": quantity}, cart.headers)

    async def check_out(
        self, cart: Cart, *, card: str = VISA, expected: int | None = None, wait: int = 15
    ) -> httpx2.Response:
        """Ask once."""
        body: dict[str, Any] = {"payment_method": {"token": card}}
        if expected is not None:
            body["expected_total"] = {"amount": expected, "currency": "GBP"}
        headers = {**cart.headers, "Prefer": f"wait={wait}"}
        return await self.client.post(f"{cart.path}/checkout", json=body, headers=headers)

    async def order(self, cart: Cart, order_id: str) -> dict[str, Any]:
        """Look at an order until its checkout is over, for a minute at most."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                answer = await self.surely("GET", f"/v1/orders/{order_id}", None, cart.headers)
                order: dict[str, Any] = answer.json()
                if order["status"] not in {"pending", "cancelling"}:
                    return order
                await asyncio.sleep(_PAUSE)

    async def buy(self, sku: str) -> dict[str, Any]:
        """Buy one, whatever happens meanwhile, and return the order."""
        cart = await self.cart(sku)
        body = {"payment_method": {"token": VISA}}
        answer = await self.surely("POST", f"{cart.path}/checkout", body, cart.headers)
        bought: dict[str, Any] = answer.json()
        return await self.order(cart, bought["order_id"]) if answer.status_code == 202 else bought

    async def surely(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        """Ask until there is an answer, for a minute at most, and have it be a good one."""
        async with asyncio.timeout(_PATIENCE):
            while (answer := await self._answer(method, path, body, headers)) is None:  # noqa: ASYNC110 - the shop has to get up
                await asyncio.sleep(_PAUSE)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    async def _answer(
        self, method: str, path: str, body: object, headers: dict[str, str] | None
    ) -> httpx2.Response | None:
        """Ask once; None where the shop could not answer."""
        try:
            answer = await self.client.request(method, path, json=body, headers=headers)
        except httpx2.TransportError:
            return None
        return None if unanswered(answer) else answer


def unanswered(answer: httpx2.Response) -> bool:
    """Tell whether the shop could not answer, so that one asks again."""
    return answer.status_code >= 500


@asynccontextmanager
async def shopping(api_url: str, token: str | None = None) -> AsyncIterator[Shopper]:
    """Open a shopper's connections; with a token it is staff."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    limits = httpx2.Limits(max_connections=_MOST, max_keepalive_connections=_MOST)
    async with httpx2.AsyncClient(
        base_url=api_url, headers=headers, timeout=70, limits=limits, trust_env=False
    ) as client:
        yield Shopper(client)
