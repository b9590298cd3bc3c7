"""What stands in the way of a line is told where the line is, before a checkout is refused for it."""

from typing import Any

import httpx2
import pytest

from tests.api.answers import body, gbp
from tests.api.buyer import Buyer, ready_buyer
from tests.support.shop import Shop


async def looked_at(buyer: Buyer) -> dict[str, Any]:
    cart: dict[str, Any] = body(await buyer.client.get(buyer.path, headers=buyer.headers))
    return cart


async def put(buyer: Buyer, quantity: int) -> dict[str, Any]:
    line = f"{buyer.path}/lines/{buyer.sku}"
    cart: dict[str, Any] = body(await buyer.client.put(line, headers=buyer.headers, json={"quantity": quantity}))
    return cart


def problems(cart: dict[str, Any]) -> list[dict[str, Any]]:
    """List the problems of all lines, without the members that say nothing."""
    return [
        {name: value for name, value in problem.items() if value is not None}
        for line in cart["lines"]
        for problem in line["problems"]
    ]


def short(available: int) -> dict[str, Any]:
    return {"code": "insufficient_stock", "available": available}


async def test_a_line_tells_how_many_there_are_when_they_are_too_few(guest: httpx2.AsyncClient, shop: Shop) -> None:
    buyer = await ready_buyer(guest, shop, stock=5)
    assert problems(await put(buyer, 5)) == []
    cart = await put(buyer, 6)
    assert problems(cart) == problems(await looked_at(buyer)) == [short(5)]
    assert cart["total"] == gbp(6000)

    await shop.run("UPDATE stock_levels SET reserved = 3 WHERE sku = :sku", sku=buyer.sku)
    assert problems(await put(buyer, 2)) == []
    assert problems(await put(buyer, 3)) == [short(2)]


async def test_an_article_that_was_never_stocked_is_short_with_none(guest: httpx2.AsyncClient, shop: Shop) -> None:
    buyer = await ready_buyer(guest, shop)
    await shop.run("DELETE FROM stock_levels WHERE sku = :sku", sku=buyer.sku)
    assert problems(await looked_at(buyer)) == [short(0)]


async def test_lines_of_one_sku_are_summed_before_they_are_too_many(guest: httpx2.AsyncClient, shop: Shop) -> None:
    buyer = await ready_buyer(guest, shop, stock=5)
    two = {"lines": [{"sku": buyer.sku, "quantity": 3}, {"sku": buyer.sku, "quantity": 3}]}
    cart = body(await guest.put(f"{buyer.path}/lines", headers=buyer.headers, json=two))
    assert problems(cart) == [short(5), short(5)]


async def test_a_price_that_changed_since_the_line_was_put_is_told_until_it_is_put_again(
    guest: httpx2.AsyncClient, shop: Shop
) -> None:
    buyer = await ready_buyer(guest, shop)
    await shop.price(buyer.sku, 1200)
    cart = await looked_at(buyer)
    assert problems(cart) == [{"code": "price_changed", "seen_unit_price": gbp(1000)}]
    assert (cart["lines"][0]["unit_price"], cart["total"]) == (gbp(1200), gbp(2400))

    assert problems(await put(buyer, 2)) == []
    await shop.price(buyer.sku, 900)
    many = {"lines": [{"sku": buyer.sku, "quantity": 1}]}
    assert problems(await looked_at(buyer)) == [{"code": "price_changed", "seen_unit_price": gbp(1200)}]
    assert problems(body(await guest.put(f"{buyer.path}/lines", headers=buyer.headers, json=many))) == []


async def test_a_line_of_which_nobody_knows_what_was_seen_has_no_changed_price(
    guest: httpx2.AsyncClient, shop: Shop
) -> None:
    buyer = await ready_buyer(guest, shop)
    await shop.run("UPDATE cart_lines SET seen_unit_price_amount = NULL WHERE cart_id = :id", id=buyer.cart_id)
    await shop.price(buyer.sku, 1200)
    assert problems(await looked_at(buyer)) == []


async def test_a_price_of_an_importers_own_does_not_change_with_the_catalogue(
    staff: httpx2.AsyncClient, shop: Shop
) -> None:
    sku = await shop.buyable(amount=1000)
    path = f"/v1/carts/{body(await staff.post('/v1/carts', json={}), 201)['id']}"
    own = {"lines": [{"sku": sku, "quantity": 1, "unit_price": gbp(850)}]}
    body(await staff.put(f"{path}/lines", json=own))
    await shop.price(sku, 1200)
    cart = body(await staff.get(path))
    assert (problems(cart), cart["total"]) == ([], gbp(850))


async def test_several_problems_of_a_line_are_told_together(guest: httpx2.AsyncClient, shop: Shop) -> None:
    buyer = await ready_buyer(guest, shop, stock=1)
    await shop.price(buyer.sku, 1)
    assert problems(await looked_at(buyer)) == [{"code": "price_changed", "seen_unit_price": gbp(1000)}, short(1)]
    await shop.run("DELETE FROM prices WHERE sku = :sku", sku=buyer.sku)
    assert problems(await looked_at(buyer)) == [{"code": "currency_mismatch"}, short(1)]
    await shop.run("UPDATE variants SET active = false WHERE sku = :sku", sku=buyer.sku)
    assert problems(await looked_at(buyer)) == [{"code": "unknown_sku"}]


@pytest.mark.parametrize("status", ["frozen", "ordered", "expired"])
async def test_a_cart_that_can_not_be_checked_out_has_no_problems_of_stock_and_price(
    guest: httpx2.AsyncClient, shop: Shop, status: str
) -> None:
    buyer = await ready_buyer(guest, shop, stock=2)
    await shop.run("UPDATE stock_levels SET reserved = 2 WHERE sku = :sku", sku=buyer.sku)
    await shop.price(buyer.sku, 1200)
    assert problems(await looked_at(buyer)) != []
    await buyer.cart_is(status)
    assert problems(await looked_at(buyer)) == []
