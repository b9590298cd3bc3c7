"""A buyer with a cart that is ready to be checked out, and orders that were made of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx2

from domain.order_ids import order_id
from models.columns import new_id
from tests.api.answers import body
from tests.support.shop import Shop

ADDRESS = {"name": "Ada", "line1": "1 High Street", "city": "York", "postal_code": "YO1 7HH", "country": "GB"}
WHOLE_ADDRESS = {**ADDRESS, "line2": None, "region": None, "phone": None}
PAYMENT = {"payment_method": {"token": "pm_card_visa"}}
MOMENT = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass
class Buyer:
    """`headers` open the cart and its orders."""

    client: httpx2.AsyncClient
    shop: Shop
    cart_id: UUID
    headers: dict[str, str]
    sku: str

    @property
    def path(self) -> str:
        return f"/v1/carts/{self.cart_id}"

    def order_id(self, attempt: int = 1) -> UUID:
        return order_id(self.cart_id, attempt)

    async def check_out(self, content: Any = None, **headers: str) -> httpx2.Response:
        return await self.client.post(
            f"{self.path}/checkout", json=PAYMENT if content is None else content, headers=self.headers | headers
        )

    async def has_order(self, status: str = "placed", *, attempt: int = 1, **columns: Any) -> UUID:
        """Write an order as a worker would have: two of the SKU at 10.00 GBP each."""
        made = self.order_id(attempt)
        values = {"payment_status": "captured", "reason": None, "needs_operator": False, "created_at": MOMENT} | columns
        await self.shop.run(
            """
            INSERT INTO orders (
                id, cart_id, checkout_attempt, status, payment_status, reason, needs_operator, currency,
                subtotal_amount, discount_amount, shipping_amount, tax_amount, total_amount, captured_amount,
                refunded_amount, payment_attempt, email, shipping_address, created_at
            )
            SELECT :id, id, :attempt, :status, :payment_status, :reason, :needs_operator, currency, 2000, 0, 0, 0, 2000,
                   0, 0, 1, email, shipping_address, :created_at
            FROM carts WHERE id = :cart
            """,
            id=made,
            cart=self.cart_id,
            attempt=attempt,
            status=status,
            **values,
        )
        await self.shop.run(
            "INSERT INTO order_lines (line_id, order_id, position, sku, title, quantity, unit_price_amount,"
            " total_amount) VALUES (:line, :order, 0, :sku, 'Enamel mug', 2, 1000, 2000)",
            line=new_id(),
            order=made,
            sku=self.sku,
        )
        return made

    async def cart_is(self, status: str) -> None:
        await self.shop.run("UPDATE carts SET status = :status WHERE id = :id", status=status, id=self.cart_id)


async def ready_buyer(client: httpx2.AsyncClient, shop: Shop, *, stock: int = 100) -> Buyer:
    """Fill a cart with two of one SKU, an e-mail and an address, as a guest does."""
    sku = await shop.buyable(amount=1000, stock=stock)
    cart = body(await client.post("/v1/carts", json={}), 201)
    buyer = Buyer(client, shop, UUID(cart["id"]), {"X-Cart-Token": cart["token"]}, sku)
    body(await client.put(f"{buyer.path}/lines/{sku}", headers=buyer.headers, json={"quantity": 2}))
    contact = {"email": "ada@example.com", "shipping_address": ADDRESS}
    body(await client.patch(buyer.path, headers=buyer.headers, json=contact))
    return buyer
