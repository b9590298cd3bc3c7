"""How the load is made."""

import asyncio
import json
from uuid import UUID, uuid4

import httpx2
import pytest
import typer

from benchmarks.bare_sql import Renaming
from benchmarks.buying import basket, buy
from benchmarks.command import _numbers
from benchmarks.driving import lap
from benchmarks.errors import BenchError


async def test_a_lap_takes_every_turn_once_and_no_more_at_once_than_asked_for() -> None:
    at_once = most = 0

    async def turn() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1

    done = await lap(turn, 10, 3)
    assert len(done.latencies) == 10
    assert most == 3
    assert done.rate == 10 / done.seconds


async def test_a_turn_that_fails_ends_the_lap_with_its_reason() -> None:
    async def turn() -> None:
        raise ValueError("no stock")

    with pytest.raises(BenchError, match="ValueError: no stock"):
        await lap(turn, 10, 3)


async def test_buying_asks_four_times_with_the_cart_and_its_token() -> None:
    asked: list[tuple[str, str, str | None]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append((request.method, request.url.path, request.headers.get("x-cart-token")))
        return httpx2.Response(201, json={"id": "c1", "token": "secret"})

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer), base_url="http://shop") as client:
        bought = await buy(client, basket(["A", "B"]))
    assert bought.order_id == "c1"
    assert asked == [
        ("POST", "/v1/carts", None),
        ("PUT", "/v1/carts/c1/lines", "secret"),
        ("PATCH", "/v1/carts/c1", "secret"),
        ("POST", "/v1/carts/c1/checkout", "secret"),
    ]


async def test_an_order_that_is_accepted_only_is_not_counted_as_placed() -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(202, json={}))
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop") as client:
        with pytest.raises(BenchError, match="POST /v1/carts 202"):
            await buy(client, b"{}")


def test_a_basket_holds_two_different_things() -> None:
    skus = [line["sku"] for line in json.loads(basket(["A", "B"]))["lines"]]
    assert sorted(skus) == ["A", "B"]


def test_renaming_gives_an_id_the_same_new_one_wherever_it_stands() -> None:
    cart, other, renaming = uuid4(), uuid4(), Renaming()
    new = renaming.apply(cart)
    assert isinstance(new, UUID)
    assert new != cart
    assert renaming.apply(f"{cart}:authorise:1") == f"{new}:authorise:1"
    assert renaming.apply([cart, (other,)]) == [new, [renaming.apply(other)]]
    assert renaming.apply(other) != new
    assert [renaming.apply(value) for value in (3, None, "GBP", b"x")] == [3, None, "GBP", b"x"]


@pytest.mark.parametrize("text", ["", "a", "0", "1,,2", "1000"])
def test_a_concurrency_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        _numbers(text)


def test_concurrencies_are_numbers_by_commas() -> None:
    assert _numbers("1,8,32") == [1, 8, 32]
