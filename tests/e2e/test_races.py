"""Buyers who meet at one cart, at the last units and at a price, through two API processes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from itertools import cycle
from typing import Any

import httpx2
import pytest

from tests.support.shopper import DECLINED, Cart, Shopper, shopping
from tests.support.stack import RunningStack
from tests.support.world import World

UNITS, BUYERS, AT_ONCE = 50, 200, 20
PATIENT = 60


@pytest.fixture(scope="module")
async def shoppers(stack: RunningStack, shopper: Shopper) -> AsyncIterator[Sequence[Shopper]]:
    """One for each of two API processes."""
    async with stack.another_api() as url, shopping(url) as other:
        yield shopper, other


async def taken(stack: RunningStack, carts: Sequence[Cart]) -> list[int]:
    """What the payment server has taken for orders of these carts, asked in its own database, payment by payment."""
    orders = await stack.rows("SELECT id::text FROM orders WHERE cart_id = ANY($1)", [cart.id for cart in carts])
    payments = await stack.sandbox_rows(
        "SELECT captured_amount - refunded_amount FROM payment_intents WHERE order_id = ANY($1)",
        [order_id for (order_id,) in orders],
    )
    return [amount for (amount,) in payments if amount]


async def filled(shoppers: Sequence[Shopper], sku: str, number: int) -> list[Cart]:
    """Fill many carts, a few at a time."""
    few = asyncio.Semaphore(AT_ONCE)

    async def fill(shopper: Shopper) -> Cart:
        async with few:
            return await shopper.cart(sku)

    return await asyncio.gather(*(fill(shopper) for shopper, _ in zip(cycle(shoppers), range(number), strict=False)))


def problem(answer: httpx2.Response, status: int, code: str) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    document: dict[str, object] = answer.json()
    assert document["code"] == code
    return document


async def test_one_cart_submitted_fifty_times_at_once_is_one_order_one_charge_and_fifty_equal_answers(
    stack: RunningStack, world: World, shoppers: Sequence[Shopper]
) -> None:
    sku = await world.goods(stock=10)
    cart = await shoppers[0].cart(sku, 2)

    answers = await asyncio.gather(*(shoppers[n % 2].check_out(cart, wait=PATIENT) for n in range(50)))

    assert Counter(answer.status_code for answer in answers) == {201: 50}
    assert len({answer.content for answer in answers}) == 1
    order = answers[0].json()
    assert (order["status"], order["payment_status"], order["total"]["amount"]) == ("placed", "captured", 2000)
    [(order_id,)] = await stack.rows("SELECT id::text FROM orders WHERE cart_id = $1", cart.id)
    assert order_id == order["id"]
    assert await taken(stack, [cart]) == [2000]
    assert await world.stock(sku) == (8, 0)


async def test_fifty_of_two_hundred_buyers_get_the_fifty_units_and_nothing_stays_held(
    stack: RunningStack, world: World, shoppers: Sequence[Shopper]
) -> None:
    sku = await world.goods(stock=UNITS)
    carts = await filled(shoppers, sku, BUYERS)

    async def bought(shopper: Shopper, cart: Cart) -> str:
        answer = await shopper.check_out(cart, wait=PATIENT)
        body = answer.json()
        if answer.status_code == 202:
            order = await shopper.order(cart, body["order_id"])
            return str(order["reason"] or order["status"])
        if answer.status_code == 201:
            return str(body["status"])
        assert problem(answer, 409, "insufficient_stock")["lines"] == [{"sku": sku, "requested": 1, "available": 0}]
        return str(body["code"])

    ends = await asyncio.gather(*(bought(shoppers[n % 2], cart) for n, cart in enumerate(carts)))

    assert Counter(ends) == {"placed": UNITS, "insufficient_stock": BUYERS - UNITS}
    assert await world.stock(sku) == (0, 0)
    assert await stack.rows("SELECT 1 FROM reservations WHERE sku = $1 AND state = 'held'", sku) == []
    assert await taken(stack, carts) == [1000] * UNITS


async def test_declined_order_is_cancelled_and_its_edited_cart_is_placed(
    stack: RunningStack, world: World, shopper: Shopper
) -> None:
    sku = await world.goods(stock=10)
    cart = await shopper.cart(sku, 2)
    declined = problem(await shopper.check_out(cart, card=DECLINED), 402, "payment_failed")
    assert await world.stock(sku) == (10, 2)

    await shopper.surely("POST", f"/v1/orders/{declined['order_id']}/cancel", {"reason": "no"}, cart.headers)
    assert await world.stock(sku) == (10, 0)
    await shopper.put(cart, sku, 3)
    answer = await shopper.check_out(cart, expected=3000)

    assert (answer.status_code, answer.json()["status"]) == (201, "placed")
    assert answer.json()["id"] != declined["order_id"]
    assert await taken(stack, [cart]) == [3000]
    assert await world.stock(sku) == (7, 0)


async def test_cart_that_was_out_of_stock_is_placed_after_a_restock(
    stack: RunningStack, world: World, shopper: Shopper
) -> None:
    sku = await world.goods(stock=1)
    cart = await shopper.cart(sku, 3)
    short = problem(await shopper.check_out(cart), 409, "insufficient_stock")
    assert short["lines"] == [{"sku": sku, "requested": 3, "available": 1}]
    assert await world.stock(sku) == (1, 0)
    assert await taken(stack, [cart]) == []

    delivery = {"location": "main", "delta": 4, "reason": "receipt"}
    staff = {"Authorization": f"Bearer {stack.token}"}
    await shopper.surely("POST", f"/v1/stock/{sku}/adjustments", delivery, staff)
    answer = await shopper.check_out(cart)

    assert (answer.status_code, answer.json()["status"]) == (201, "placed")
    assert await taken(stack, [cart]) == [3000]
    assert await world.stock(sku) == (2, 0)


async def test_price_that_changed_since_the_quote_is_told_and_nothing_is_held_or_charged(
    stack: RunningStack, world: World, shopper: Shopper
) -> None:
    sku = await world.goods(stock=10)
    cart = await shopper.cart(sku, 2)
    quoted = (await shopper.surely("GET", cart.path, None, cart.headers)).json()["total"]["amount"]
    await world.shop.price(sku, 1250)

    refused = problem(await shopper.check_out(cart, expected=quoted), 409, "price_changed")

    quote: Any = refused["quote"]
    of_it = {
        name: quote[name]["amount"] for name in ("subtotal", "discount", "shipping", "tax", "tax_included", "total")
    }
    assert quoted == 2000
    assert of_it == {"subtotal": 2500, "discount": 0, "shipping": 0, "tax": 0, "tax_included": 417, "total": 2500}
    assert [(part["label"], part["amount"]["amount"]) for part in quote["adjustments"]] == [("VAT 20%", 417)]
    assert await world.stock(sku) == (10, 0)
    payments = await stack.sandbox_rows("SELECT 1 FROM payment_intents WHERE order_id = $1", refused["order_id"])
    assert payments == []

    answer = await shopper.check_out(cart, expected=2500)
    assert (answer.status_code, answer.json()["status"]) == (201, "placed")
    assert await taken(stack, [cart]) == [2500]


async def test_audit_is_clean_after_all_races(stack: RunningStack) -> None:
    assert await stack.broken() == {}
