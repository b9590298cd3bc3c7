"""Servers that refuse, hang or are gone while buyers check out: an honest answer at once, and no work lost."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import httpx2
import pytest

from tests.support.histories import clear_text
from tests.support.shopper import Cart, Shopper
from tests.support.stack import RunningStack
from tests.support.world import World

WORDS = ("grace.hopper", "example.org", "Grace Hopper", "Compiler Close", "Whitby", "YO21", "7700900123")
LOGS = ("api", "worker-orders", "worker-payments", "worker-notifications")
BUYERS = 6


@contextmanager
def refused_mail(stack: RunningStack) -> Iterator[None]:
    """Have the mail server refuse every recipient, with the address in its answer."""
    refusal = stack.folder / "mail" / "refuse"
    refusal.write_text("550 5.1.1 <%s>: user Grace Hopper is unknown at Compiler Close")
    try:
        yield
    finally:
        refusal.unlink()


def unavailable(answer: httpx2.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.json()["code"] == "temporarily_unavailable"
    assert answer.headers["Retry-After"] == "1"


async def held(stack: RunningStack, sku: str) -> list[tuple[object, ...]]:
    return await stack.rows("SELECT order_id FROM reservations WHERE sku = $1 AND state = 'held'", sku)


async def test_refused_mail_leaves_the_order_placed_and_no_person_in_history_or_logs(
    stack: RunningStack, world: World, shopper: Shopper
) -> None:
    sku = await world.goods(stock=10)
    with refused_mail(stack):
        order = await shopper.buy(sku)
        id_ = UUID(order["id"])
        await world.settled(id_)

    assert order["status"] == "placed"
    assert await world.message_states(id_) == ["refused"]
    assert (await world.order(id_)).status == "placed"
    assert await world.charged(id_) == [1000]
    said = clear_text(await world.history(id_))
    assert "everorder.mail_refused" in said
    assert [word for word in WORDS if word in said] == []
    logs = "".join((stack.folder / "logs" / f"{name}.log").read_text() for name in LOGS)
    assert [word for word in WORDS if word in logs] == []


async def test_checkouts_while_the_payment_server_hangs_are_accepted_and_placed_once_it_answers(
    stack: RunningStack, world: World, shopper: Shopper
) -> None:
    sku = await world.goods(stock=BUYERS)
    carts = [await shopper.cart(sku) for _ in range(BUYERS)]

    async with stack.hanging("sandbox"):
        answers = await asyncio.gather(*(shopper.check_out(cart, wait=1) for cart in carts))
        shown = [await shown_order(shopper, cart, answer) for cart, answer in zip(carts, answers, strict=True)]

    assert Counter(answer.status_code for answer in answers) == {202: BUYERS}
    assert Counter(shown) == {"pending": BUYERS}
    ends = [await shopper.order(cart, answer.json()["order_id"]) for cart, answer in zip(carts, answers, strict=True)]
    assert Counter(order["status"] for order in ends) == {"placed": BUYERS}
    assert await world.stock(sku) == (0, 0)
    assert [await world.charged(UUID(order["id"])) for order in ends] == [[1000]] * BUYERS


async def shown_order(shopper: Shopper, cart: Cart, accepted: httpx2.Response) -> str:
    """Look at an accepted order where its answer says that it is."""
    answer = await shopper.surely("GET", accepted.headers["Location"], None, cart.headers)
    return str(answer.json()["status"])


@pytest.mark.parametrize("how", ["hanging", "away"])
async def test_checkout_without_temporal_is_unavailable_and_holds_nothing_and_works_later(
    stack: RunningStack, world: World, shopper: Shopper, how: str
) -> None:
    sku = await world.goods(stock=10)
    cart = await shopper.cart(sku)

    async with stack.hanging("temporal") if how == "hanging" else stack.away("temporal"):
        unavailable(await shopper.check_out(cart, wait=1))
        shown = await shopper.surely("GET", cart.path, None, cart.headers)
        assert shown.json()["status"] == "open"
        assert await held(stack, sku) == []
        assert await world.stock(sku) == (10, 0)

    body = {"payment_method": {"token": "pm_card_visa"}}
    order = (await shopper.surely("POST", f"{cart.path}/checkout", body, cart.headers)).json()
    end = await shopper.order(cart, order.get("order_id") or order["id"])
    assert end["status"] == "placed"
    assert await world.charged(UUID(end["id"])) == [1000]
    assert await world.stock(sku) == (9, 0)


async def test_everything_without_postgresql_is_unavailable_and_nothing_is_lost(
    stack: RunningStack, world: World, shopper: Shopper
) -> None:
    sku = await world.goods(stock=10)
    cart = await shopper.cart(sku)
    earlier = await shopper.buy(sku)

    async with stack.away("postgres"):
        unavailable(await shopper.check_out(cart, wait=1))
        unavailable(await shopper.client.post("/v1/carts", json={}))
        unavailable(await shopper.client.get(f"/v1/stock/{sku}"))

    body = {"payment_method": {"token": "pm_card_visa"}}
    order = (await shopper.surely("POST", f"{cart.path}/checkout", body, cart.headers)).json()
    end = await shopper.order(cart, order.get("order_id") or order["id"])
    assert (end["status"], earlier["status"]) == ("placed", "placed")
    assert [await world.charged(UUID(one["id"])) for one in (earlier, end)] == [[1000], [1000]]
    assert await world.stock(sku) == (8, 0)


async def test_orders_that_are_cancelled_while_the_payment_server_is_away_are_refunded_once_it_is_back(
    stack: RunningStack, world: World, shopper: Shopper
) -> None:
    sku = await world.goods(stock=10)
    cart = await shopper.cart(sku)
    order = (await shopper.check_out(cart)).json()
    path = f"/v1/orders/{order['id']}"

    async with stack.away("sandbox"):
        headers = {**cart.headers, "Prefer": "wait=1"}
        accepted = await shopper.client.post(f"{path}/cancel", json={"reason": "changed my mind"}, headers=headers)
        assert (accepted.status_code, accepted.json()["status"]) == (202, "cancelling")

    assert (await shopper.order(cart, order["id"]))["status"] == "cancelled"
    assert await world.charged(UUID(order["id"])) == []
    assert await world.stock(sku) == (10, 0)


async def test_audit_is_clean_after_all_outages(stack: RunningStack) -> None:
    assert await stack.broken() == {}
