"""The demo order: what a storefront does, over the REST API."""

import asyncio
from typing import Any

import httpx2

from cli.errors import CommandError

_ADDRESS = {
    "name": "Ada Lovelace",
    "line1": "12 St James's Square",
    "city": "London",
    "postal_code": "SW1Y 4JH",
    "country": "GB",
}
_CODE = "WELCOME10"
_PATIENCE = 30.0
_POLL = 0.2


class DemoError(CommandError):
    """The demo order was not placed."""


async def place_order(api_url: str) -> dict[str, Any]:
    """Buy two things as a guest and return the order with its `timeline`.

    Raises:
        DemoError: the API refused a step, or the order was not placed in half a minute.
    """
    try:
        async with (
            asyncio.timeout(_PATIENCE),
            httpx2.AsyncClient(base_url=api_url, timeout=_PATIENCE, trust_env=False) as client,
        ):
            return await _shop(client)
    except (httpx2.HTTPError, TimeoutError) as error:
        raise DemoError(f"the API did not answer in time ({type(error).__name__})") from None


async def _shop(client: httpx2.AsyncClient) -> dict[str, Any]:
    cart = await _call(client, "POST", "/v1/carts", {})
    client.headers["X-Cart-Token"] = cart["token"]
    for sku in await _two_skus(client):
        await _call(client, "PUT", f"/v1/carts/{cart['id']}/lines/{sku}", {"quantity": 1})
    buyer = {"email": "ada@example.com", "shipping_address": _ADDRESS}
    await _call(client, "PATCH", f"/v1/carts/{cart['id']}", buyer)
    await _try_code(client, cart["id"])
    payment = {"payment_method": {"token": "pm_card_visa"}}
    accepted = await _call(client, "POST", f"/v1/carts/{cart['id']}/checkout", payment)
    return await _settled(client, str(accepted.get("order_id") or accepted["id"]))


async def _try_code(client: httpx2.AsyncClient, cart_id: str) -> None:
    """Use the code of the demo catalogue; a shop that has it no more sells at its prices."""
    answer = await client.request("PATCH", f"/v1/carts/{cart_id}", json={"promotion_codes": [_CODE]})
    if answer.status_code not in {200, 422}:
        raise DemoError(f"the code was answered {answer.status_code}: {answer.text}")


async def _two_skus(client: httpx2.AsyncClient) -> list[str]:
    products = await _call(client, "GET", "/v1/products?in_stock=true&limit=2")
    skus = [product["variants"][0]["sku"] for product in products["items"] if product["variants"]]
    if not skus:
        raise DemoError("there is nothing in stock to order")
    return skus


async def _settled(client: httpx2.AsyncClient, order_id: str) -> dict[str, Any]:
    """Wait until a checkout that was accepted has become an order."""
    while True:
        order = await _call(client, "GET", f"/v1/orders/{order_id}")
        if order["status"] != "pending":
            break
        await asyncio.sleep(_POLL)
    order["timeline"] = (await _call(client, "GET", f"/v1/orders/{order_id}/timeline"))["items"]
    return order


async def _call(client: httpx2.AsyncClient, method: str, path: str, body: object = None) -> dict[str, Any]:
    answer = await client.request(method, path, json=body)
    if answer.is_error:
        raise DemoError(f"{method} {path} answered {answer.status_code}: {answer.text}")
    content: dict[str, Any] = answer.json()
    return content
