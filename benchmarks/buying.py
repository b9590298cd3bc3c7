"""One order as a storefront asks for it: cart, lines, address, checkout."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import httpx2

from benchmarks.errors import BenchError

CALLS = 4
"""Requests an order."""

_JSON = {"Content-Type": "application/json"}
_BUYER = json.dumps(
    {
        "email": "ada@example.com",
        "shipping_address": {
            "name": "Ada Lovelace",
            "line1": "12 St James's Square",
            "city": "London",
            "postal_code": "SW1Y 4JH",
            "country": "GB",
        },
    }
).encode()
_PAYMENT = b'{"payment_method": {"token": "pm_card_visa"}}'


@dataclass(frozen=True, slots=True)
class Bought:
    """An order that was placed; times in seconds, `seconds` from the first request to the last answer."""

    order_id: str
    checkout_seconds: float
    seconds: float


def basket(skus: Sequence[str]) -> bytes:
    """Choose two things at random."""
    lines = [{"sku": sku, "quantity": 1} for sku in random.sample(skus, k=2)]
    return json.dumps({"lines": lines}).encode()


async def buy(client: httpx2.AsyncClient, lines: bytes) -> Bought:
    """Place one order.

    Raises:
        BenchError: something else than 201 came of it.
    """
    began = perf_counter()
    cart = _accepted(await client.post("/v1/carts", content=b"{}", headers=_JSON))
    path, headers = f"/v1/carts/{cart['id']}", {**_JSON, "X-Cart-Token": str(cart["token"])}
    _accepted(await client.put(f"{path}/lines", content=lines, headers=headers))
    _accepted(await client.patch(path, content=_BUYER, headers=headers))
    at_checkout = perf_counter()
    order = _accepted(await client.post(f"{path}/checkout", content=_PAYMENT, headers=headers))
    ended = perf_counter()
    return Bought(str(order["id"]), ended - at_checkout, ended - began)


def _accepted(answer: httpx2.Response) -> dict[str, object]:
    if answer.status_code not in {200, 201}:
        raise BenchError(f"{answer.request.method} {answer.request.url.path} {answer.status_code}: {answer.text}")
    content: dict[str, object] = json.loads(answer.content)
    return content
