import asyncio
import json
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import event

from tests.api.answers import body, gbp, locations, problem
from tests.support.prices import Prices
from tests.support.shop import Shop


async def opened(guest: httpx2.AsyncClient, **wanted: Any) -> tuple[str, dict[str, str]]:
    cart = body(await guest.post("/v1/carts", json=wanted), 201)
    return f"/v1/carts/{cart['id']}", {"X-Cart-Token": cart["token"]}


async def imported(staff: httpx2.AsyncClient, currency: str = "GBP") -> str:
    return f"/v1/carts/{body(await staff.post('/v1/carts', json={'currency': currency}), 201)['id']}"


def lines(cart: dict[str, Any]) -> list[tuple[str, int, int]]:
    return [(line["sku"], line["quantity"], line["total"]["amount"]) for line in cart["lines"]]


def problems(cart: dict[str, Any]) -> dict[str, list[str]]:
    return {line["sku"]: [one["code"] for one in line["problems"]] for line in cart["lines"]}


async def test_a_line_is_priced_and_summed(guest: httpx2.AsyncClient, shop: Shop) -> None:
    path, token = await opened(guest)
    mug, plate = shop.sku("MUG"), await shop.buyable("PLATE", amount=700)
    await shop.product(mug, title="Enamel mug", variant_title="blue", prices={"GBP": 1250, "EUR": 1500})

    body(await guest.put(f"{path}/lines/{mug}", headers=token, json={"quantity": 3}))
    cart = body(await guest.put(f"{path}/lines/{plate}", headers=token, json={"quantity": 1}))

    first = dict(cart["lines"][0])
    assert first.pop("line_id")
    assert first == {
        "sku": mug,
        "title": "Enamel mug, blue",
        "quantity": 3,
        "unit_price": gbp(1250),
        "total": gbp(3750),
        "discount": gbp(0),
        "tax": gbp(0),
        "tax_included": gbp(0),
        "problems": [],
    }
    assert lines(cart)[1:] == [(plate, 1, 700)]
    assert (cart["subtotal"], cart["total"], cart["tax"]) == (gbp(4450), gbp(4450), gbp(0))
    assert cart == body(await guest.get(path, headers=token))


async def test_a_quantity_is_set_not_added_and_a_line_removed_twice_is_gone(
    guest: httpx2.AsyncClient, shop: Shop
) -> None:
    path, token = await opened(guest)
    sku = await shop.buyable(amount=100)
    for quantity in (5, 2):
        cart = body(await guest.put(f"{path}/lines/{sku}", headers=token, json={"quantity": quantity}))
        assert lines(cart) == [(sku, quantity, 100 * quantity)]
    for _ in range(2):
        cart = body(await guest.delete(f"{path}/lines/{sku}", headers=token))
        assert (lines(cart), cart["total"]) == ([], gbp(0))


async def test_a_sku_with_a_slash_and_a_space_is_a_sku(guest: httpx2.AsyncClient, shop: Shop) -> None:
    path, token = await opened(guest)
    sku = await shop.buyable("A/B c%")
    url = f"{path}/lines/{sku.replace('%', '%25').replace('/', '%2F').replace(' ', '%20')}"
    assert lines(body(await guest.put(url, headers=token, json={"quantity": 1}))) == [(sku, 1, 1000)]


@pytest.mark.parametrize("quantity", [0, -1, 1_000_001, 10**30, 1.0, 1.5, "1", True, None, [1], float("inf")])
async def test_a_quantity_that_is_none_changes_nothing(guest: httpx2.AsyncClient, shop: Shop, quantity: Any) -> None:
    path, token = await opened(guest)
    sku = await shop.buyable()
    headers = token | {"Content-Type": "application/json"}
    before = await shop.contents()

    one = await guest.put(f"{path}/lines/{sku}", headers=headers, content=json.dumps({"quantity": quantity}))
    assert locations(problem(one, 422, "validation_error")) == [["body", "quantity"]]
    wanted = json.dumps({"lines": [{"sku": sku, "quantity": quantity}]})
    many = await guest.put(f"{path}/lines", headers=headers, content=wanted)
    assert locations(problem(many, 422, "validation_error")) == [["body", "lines", 0, "quantity"]]
    assert await shop.contents() == before


async def test_a_million_of_one_article_is_a_quantity(guest: httpx2.AsyncClient, shop: Shop) -> None:
    path, token = await opened(guest)
    sku = await shop.buyable(amount=1)
    cart = body(await guest.put(f"{path}/lines/{sku}", headers=token, json={"quantity": 1_000_000}))
    assert cart["total"] == gbp(1_000_000)


async def test_an_article_that_is_not_sold_is_an_unknown_sku(guest: httpx2.AsyncClient, shop: Shop) -> None:
    path, token = await opened(guest)
    draft, archived, known = shop.sku(), shop.sku(), await shop.buyable("CASE")
    await shop.product(draft, status="draft")
    await shop.product(archived, status="archived")
    before = await shop.contents()

    for sku in ("no-such-sku", draft, archived, known.lower()):
        one = await guest.put(f"{path}/lines/{sku}", headers=token, json={"quantity": 1})
        assert problem(one, 422, "unknown_sku")["skus"] == [sku]
        both = [{"sku": known, "quantity": 1}, {"sku": sku, "quantity": 1}]
        many = await guest.put(f"{path}/lines", headers=token, json={"lines": both})
        assert problem(many, 422, "unknown_sku")["skus"] == [sku]
    assert await shop.contents() == before


async def test_an_article_without_a_price_in_the_currency_of_the_cart_is_refused(
    guest: httpx2.AsyncClient, shop: Shop
) -> None:
    path, token = await opened(guest, currency="EUR")
    sku = await shop.buyable()
    before = await shop.contents()
    one = await guest.put(f"{path}/lines/{sku}", headers=token, json={"quantity": 1})
    assert problem(one, 422, "currency_mismatch")["skus"] == [sku]
    assert await shop.contents() == before


@pytest.mark.parametrize("sku", ["%00", "a%00b", "%0A", "%C2%85", "x" * 201])
@pytest.mark.in_process("nginx itself refuses a NUL in an address")
async def test_a_sku_that_can_not_be_one_is_refused(guest: httpx2.AsyncClient, shop: Shop, sku: str) -> None:
    path, token = await opened(guest)
    refused = problem(
        await guest.put(f"{path}/lines/{sku}", headers=token, json={"quantity": 1}), 422, "validation_error"
    )
    assert locations(refused) == [["path", "sku"]]


async def test_all_lines_are_replaced_at_once_in_their_order(guest: httpx2.AsyncClient, shop: Shop) -> None:
    path, token = await opened(guest)
    skus = [await shop.buyable(amount=amount) for amount in (300, 100, 200)]
    body(await guest.put(f"{path}/lines/{skus[0]}", headers=token, json={"quantity": 9}))

    wanted = {"lines": [{"sku": skus[2], "quantity": 1}, {"sku": skus[1], "quantity": 2}]}
    cart = body(await guest.put(f"{path}/lines", headers=token, json=wanted))
    assert lines(cart) == [(skus[2], 1, 200), (skus[1], 2, 200)]

    emptied = body(await guest.put(f"{path}/lines", headers=token, json={"lines": []}))
    assert (emptied["lines"], emptied["total"]) == ([], gbp(0))


async def test_a_guest_may_not_set_a_price(guest: httpx2.AsyncClient, shop: Shop) -> None:
    path, token = await opened(guest)
    sku = await shop.buyable()
    before = await shop.contents()
    wanted = {"lines": [{"sku": sku, "quantity": 1, "unit_price": gbp(1)}]}
    problem(await guest.put(f"{path}/lines", headers=token, json=wanted), 403, "forbidden")
    assert await shop.contents() == before


async def test_an_importer_sells_one_sku_at_two_prices(staff: httpx2.AsyncClient, shop: Shop) -> None:
    path = await imported(staff)
    sku = await shop.buyable(amount=1000)
    wanted = [
        {"sku": sku, "quantity": 2, "unit_price": gbp(850)},
        {"sku": sku, "quantity": 1, "unit_price": gbp(0)},
        {"sku": sku, "quantity": 1},
    ]
    cart = body(await staff.put(f"{path}/lines", json={"lines": wanted}))
    assert lines(cart) == [(sku, 2, 1700), (sku, 1, 0), (sku, 1, 1000)]
    assert cart["total"] == gbp(2700)


async def test_an_own_price_needs_no_price_in_the_catalogue(staff: httpx2.AsyncClient, shop: Shop) -> None:
    path = await imported(staff, "EUR")
    sku = await shop.buyable()
    price = {"amount": 99, "currency": "EUR"}
    cart = body(await staff.put(f"{path}/lines", json={"lines": [{"sku": sku, "quantity": 1, "unit_price": price}]}))
    assert cart["total"] == price


async def test_an_own_price_in_another_currency_is_refused(staff: httpx2.AsyncClient, shop: Shop) -> None:
    path = await imported(staff, "EUR")
    sku = await shop.buyable()
    before = await shop.contents()
    wanted = {"lines": [{"sku": sku, "quantity": 1, "unit_price": gbp(99)}]}
    problem(await staff.put(f"{path}/lines", json=wanted), 422, "currency_mismatch")
    assert await shop.contents() == before


@pytest.mark.parametrize("amount", [-1, 2**53, 1.5, "1", None, True])
async def test_an_own_price_that_is_none_is_refused(staff: httpx2.AsyncClient, shop: Shop, amount: Any) -> None:
    path = await imported(staff)
    sku = await shop.buyable()
    wanted = {"lines": [{"sku": sku, "quantity": 1, "unit_price": {"amount": amount, "currency": "GBP"}}]}
    refused = problem(await staff.put(f"{path}/lines", json=wanted), 422, "validation_error")
    assert locations(refused) == [["body", "lines", 0, "unit_price", "amount"]]


async def test_a_total_that_no_number_holds_exactly_is_refused(staff: httpx2.AsyncClient, shop: Shop) -> None:
    path = await imported(staff)
    sku = await shop.buyable()
    before = await shop.contents()
    for price, quantity in ((2**53 - 1, 1_000_000), (2**52, 2)):
        wanted = {"lines": [{"sku": sku, "quantity": quantity, "unit_price": gbp(price)}]}
        problem(await staff.put(f"{path}/lines", json=wanted), 422, "validation_error")
    assert await shop.contents() == before

    largest = {"lines": [{"sku": sku, "quantity": 1, "unit_price": gbp(2**53 - 1)}]}
    assert body(await staff.put(f"{path}/lines", json=largest))["total"] == gbp(2**53 - 1)


async def test_a_cart_takes_a_thousand_lines_and_not_one_more(
    guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop
) -> None:
    path = await imported(staff)
    sku, other = await shop.buyable(amount=1), await shop.buyable(amount=1)
    thousand = [{"sku": sku, "quantity": 1, "unit_price": gbp(2)}] * 1000
    assert body(await staff.put(f"{path}/lines", json={"lines": thousand}))["total"] == gbp(2000)
    before = await shop.contents()

    too_many = {"lines": [*thousand, {"sku": sku, "quantity": 1}]}
    refused = problem(await staff.put(f"{path}/lines", json=too_many), 422, "validation_error")
    assert locations(refused) == [["body", "lines"]]
    problem(await staff.put(f"{path}/lines/{other}", json={"quantity": 1}), 422, "validation_error")
    assert await shop.contents() == before


async def test_a_change_takes_as_many_statements_for_a_thousand_lines_as_for_one(
    staff: httpx2.AsyncClient, shop: Shop, app: FastAPI
) -> None:
    path = await imported(staff)
    skus = [shop.sku(f"N{number}") for number in range(1000)]
    await shop.run(
        "WITH product AS (INSERT INTO products (id, slug, title, description, status)"
        " VALUES (gen_random_uuid(), gen_random_uuid()::text, 'Many', '', 'active') RETURNING id),"
        " many AS (INSERT INTO variants (sku, product_id, title, position)"
        " SELECT sku, id, '', 0 FROM product, unnest(CAST(:skus AS text[])) AS sku)"
        " SELECT 1",
        skus=skus,
    )
    await shop.run(
        "INSERT INTO prices (sku, currency, amount) SELECT sku, 'GBP', 5 FROM unnest(CAST(:skus AS text[])) AS sku",
        skus=skus,
    )
    statements: list[str] = []

    def seen(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(app.state.resources.engine.sync_engine, "before_cursor_execute", seen)
    try:
        for wanted in (skus[:1], skus):
            statements.clear()
            new = {"lines": [{"sku": sku, "quantity": 1} for sku in wanted]}
            assert body(await staff.put(f"{path}/lines", json=new))["total"] == gbp(5 * len(wanted))
            assert len(statements) == 5
        statements.clear()
        body(await staff.put(f"{path}/lines/{skus[0]}", json={"quantity": 2}))
        assert len(statements) == 5
        statements.clear()
        body(await staff.get(path))
        assert len(statements) == 4
        code = shop.sku("CODE").upper()
        await Prices(shop).promotion(code)
        statements.clear()
        body(await staff.patch(path, json={"promotion_codes": [code]}))
        assert len(statements) == 5
    finally:
        event.remove(app.state.resources.engine.sync_engine, "before_cursor_execute", seen)


async def test_a_line_that_left_the_shop_is_shown_counts_nothing_and_can_be_removed(
    guest: httpx2.AsyncClient, shop: Shop
) -> None:
    path, token = await opened(guest)
    gone, unpriced, kept = await shop.buyable(), await shop.buyable(), await shop.buyable(amount=250)
    for sku in (gone, unpriced, kept):
        body(await guest.put(f"{path}/lines/{sku}", headers=token, json={"quantity": 2}))
    await shop.run(
        "UPDATE products SET status = 'archived' FROM variants v WHERE v.product_id = id AND v.sku = :sku", sku=gone
    )
    await shop.run("DELETE FROM prices WHERE sku = :sku", sku=unpriced)

    cart = body(await guest.get(path, headers=token))
    assert problems(cart) == {gone: ["unknown_sku"], unpriced: ["currency_mismatch"], kept: []}
    assert cart["lines"][1]["unit_price"] is None
    assert cart["total"] == gbp(500)

    more = body(await guest.put(f"{path}/lines/{kept}", headers=token, json={"quantity": 3}))
    assert more["total"] == gbp(750)
    for sku in (gone, unpriced):
        cart = body(await guest.delete(f"{path}/lines/{sku}", headers=token))
    assert lines(cart) == [(kept, 3, 750)]


async def test_twenty_changes_of_one_cart_at_once_all_take_effect(guest: httpx2.AsyncClient, shop: Shop) -> None:
    path, token = await opened(guest)
    skus = [await shop.buyable(amount=10) for _ in range(20)]
    answers = await asyncio.gather(
        *(guest.put(f"{path}/lines/{sku}", headers=token, json={"quantity": 1}) for sku in skus)
    )
    assert {answer.status_code for answer in answers} == {200}
    cart = body(await guest.get(path, headers=token))
    assert {line["sku"] for line in cart["lines"]} == set(skus)
    assert cart["total"] == gbp(200)
