"""A program of somebody who has our OpenAPI document and nothing else: it places an order with a generated client.

It is run by `tests/e2e/test_generated_client.py`, in the environment of the generator.
"""

import json
import sys
from http import HTTPStatus

from everorder_client import AuthenticatedClient
from everorder_client.api.carts import change_cart, open_cart, set_cart_line
from everorder_client.api.orders import check_out, get_order, get_order_timeline
from everorder_client.models import (
    Address,
    CartChanges,
    Checkout,
    FirstPaymentMethod,
    LineQuantity,
    NewCart,
    OpenedCart,
    Order,
    PageTimelineEntry,
    Price,
    Problem,
)


def place(url: str, sku: str, card: str) -> Order | Problem:
    """Fill a cart with two of a SKU and check it out at the price that was seen."""
    opened = open_cart.sync(client=_client(url), body=NewCart(currency="GBP"))
    assert isinstance(opened, OpenedCart)
    assert opened.token
    buyer = _client(url, opened.token)
    set_cart_line.sync(opened.id, sku, client=buyer, body=LineQuantity(quantity=2))
    home = Address(name="Ada Example", line1="1 Analytical Row", city="London", postal_code="N1 1AA", country="GB")
    filled = change_cart.sync(opened.id, client=buyer, body=CartChanges(email="ada@example.com", shipping_address=home))
    assert not isinstance(filled, Problem)
    assert filled is not None
    seen = Price(amount=filled.total.amount, currency=filled.total.currency)
    checkout = Checkout(payment_method=FirstPaymentMethod(token=card), expected_total=seen)
    answer = check_out.sync_detailed(opened.id, client=buyer, body=checkout)
    if isinstance(answer.parsed, Problem):
        return answer.parsed
    assert answer.status_code is HTTPStatus.CREATED
    assert isinstance(answer.parsed, Order)
    shown = get_order.sync(answer.parsed.id, client=buyer)
    assert shown == answer.parsed
    told = get_order_timeline.sync(answer.parsed.id, client=buyer)
    assert isinstance(told, PageTimelineEntry)
    assert [entry.to for entry in told.items] == ["pending", "placed"]
    return answer.parsed


def _client(url: str, cart_token: str = "") -> AuthenticatedClient:
    """Show the secret of a cart, or nothing."""
    return AuthenticatedClient(
        base_url=url, token=cart_token, prefix="", auth_header_name="X-Cart-Token", raise_on_unexpected_status=True
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(place(*sys.argv[1:4]).to_dict()))
