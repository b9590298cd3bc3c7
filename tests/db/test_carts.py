import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from db import carts
from db.carts import CartRow, NewLine
from domain.errors import CurrencyUnavailableError, NotFoundError, UnknownSkuError
from models.carts import CartStatus
from models.columns import new_id
from tests.support.shop import Shop, opened_shop


@pytest.fixture(scope="module")
async def shop(database: str) -> AsyncIterator[Shop]:
    async with opened_shop(database) as shop:
        yield shop


async def new_cart(session: AsyncSession, currency: str = "GBP", reference: str | None = None) -> CartRow:
    cart = await carts.create(session, currency=currency, token_digest="digest", reference=reference)
    assert cart is not None
    return cart


async def test_a_new_cart_is_open_and_its_first_attempt_is_one(shop: Shop) -> None:
    async with shop.sessions.begin() as session:
        cart = await new_cart(session)

    async with shop.sessions() as session:
        assert await carts.find(session, cart.id) == CartRow(
            id=cart.id,
            customer_id=None,
            reference=None,
            token_digest="digest",
            status=CartStatus.OPEN,
            checkout_attempt=1,
            currency="GBP",
            email=None,
            phone=None,
            shipping_address=None,
            billing_address=None,
        )


async def test_a_reference_creates_one_cart_among_many_callers_at_once(shop: Shop) -> None:
    async def open_it() -> bool:
        async with shop.sessions.begin() as session:
            made = await carts.create(session, currency="GBP", token_digest="digest", reference="INV-1")
            await asyncio.sleep(0.01)
            if made is None:
                assert await carts.find_by_reference(session, "INV-1") is not None
            return made is not None

    assert sum(await asyncio.gather(*(open_it() for _ in range(10)))) == 1
    assert await shop.run("SELECT count(*) FROM carts WHERE reference = 'INV-1'") == [(1,)]


async def test_locking_an_unknown_cart_is_not_found(shop: Shop) -> None:
    async with shop.sessions.begin() as session:
        with pytest.raises(NotFoundError, match="no such cart"):
            await carts.lock(session, new_id())


async def test_a_locked_cart_waits_for_who_holds_it(shop: Shop) -> None:
    async with shop.sessions.begin() as session:
        cart = await new_cart(session)
    order: list[str] = []

    async def second() -> None:
        async with shop.sessions.begin() as session:
            await carts.lock(session, cart.id)
            order.append("second")

    async with shop.sessions.begin() as session:
        await carts.lock(session, cart.id)
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.1)
        order.append("first")
    await waiting
    assert order == ["first", "second"]


async def test_lines_are_priced_in_the_currency_of_the_cart(shop: Shop) -> None:
    sku = shop.sku()
    await shop.product(sku, title="Linen shirt", variant_title="M", prices={"GBP": 4500, "EUR": 5200})
    async with shop.sessions.begin() as session:
        cart = await new_cart(session, "EUR")
        await carts.set_line(session, cart.id, sku, 2)
        [line] = await carts.priced_lines(session, cart)
    assert (line.sku, line.quantity, line.unit_price, line.title, line.position) == (sku, 2, 5200, "Linen shirt, M", 0)


async def test_setting_a_line_twice_keeps_its_id_and_its_place(shop: Shop) -> None:
    first, second = await shop.buyable(), await shop.buyable()
    async with shop.sessions.begin() as session:
        cart = await new_cart(session)
        await carts.set_line(session, cart.id, first, 1)
        await carts.set_line(session, cart.id, second, 1)
        before = await carts.lines(session, cart)
        await carts.set_line(session, cart.id, first, 7)
        after = await carts.lines(session, cart)

    assert [(row.sku, row.quantity, row.position) for row in after] == [(first, 7, 0), (second, 1, 1)]
    assert [row.line_id for row in after] == [row.line_id for row in before]


async def test_one_sku_may_stand_on_two_lines_until_its_quantity_is_set(shop: Shop) -> None:
    sku = await shop.buyable(amount=1000)
    async with shop.sessions.begin() as session:
        cart = await new_cart(session)
        await carts.replace_lines(session, cart.id, [NewLine(sku, 2, 300), NewLine(sku, 1, 250)])
        imported = await carts.priced_lines(session, cart)
        await carts.set_line(session, cart.id, sku, 5)
        alone = await carts.priced_lines(session, cart)

    assert [(line.quantity, line.unit_price, line.position) for line in imported] == [(2, 300, 0), (1, 250, 1)]
    assert [(line.quantity, line.unit_price, line.position) for line in alone] == [(5, 1000, 0)]


async def test_replacing_lines_leaves_nothing_of_the_old_ones_and_skips_unknown_skus(shop: Shop) -> None:
    old, new = await shop.buyable(), await shop.buyable()
    async with shop.sessions.begin() as session:
        cart = await new_cart(session)
        await carts.set_line(session, cart.id, old, 1)
        await carts.replace_lines(session, cart.id, [NewLine(new, 3), NewLine("no-such-sku", 1)])
        assert [(row.sku, row.quantity) for row in await carts.lines(session, cart)] == [(new, 3)]


async def test_a_removed_line_is_gone_and_removing_it_again_changes_nothing(shop: Shop) -> None:
    sku, other = await shop.buyable(), await shop.buyable()
    async with shop.sessions.begin() as session:
        cart = await new_cart(session)
        await carts.replace_lines(session, cart.id, [NewLine(sku, 1), NewLine(other, 1)])
        await carts.remove_line(session, cart.id, sku)
        await carts.remove_line(session, cart.id, sku)
        assert [row.sku for row in await carts.lines(session, cart)] == [other]


@pytest.mark.parametrize("status", ["draft", "archived"])
async def test_a_product_that_left_the_shop_is_an_unknown_sku_at_checkout(shop: Shop, status: str) -> None:
    sku = await shop.buyable()
    async with shop.sessions.begin() as session:
        cart = await new_cart(session)
        await carts.set_line(session, cart.id, sku, 1)
    await shop.run(
        "UPDATE products SET status = :status FROM variants v WHERE v.product_id = id AND v.sku = :sku",
        status=status,
        sku=sku,
    )

    async with shop.sessions() as session:
        with pytest.raises(UnknownSkuError) as refusal:
            await carts.priced_lines(session, cart)
        assert [(row.sku, row.sold) for row in await carts.lines(session, cart)] == [(sku, False)]
    assert refusal.value.skus == (sku,)


async def test_a_sku_without_a_price_in_the_currency_is_refused_unless_the_line_has_its_own(shop: Shop) -> None:
    sku = await shop.buyable()
    async with shop.sessions.begin() as session:
        cart = await new_cart(session, "USD")
        await carts.replace_lines(session, cart.id, [NewLine(sku, 1, 990)])
        assert [line.unit_price for line in await carts.priced_lines(session, cart)] == [990]
        await carts.set_line(session, cart.id, sku, 1)
        with pytest.raises(CurrencyUnavailableError, match="no price in USD") as refusal:
            await carts.priced_lines(session, cart)
    assert refusal.value.skus == (sku,)


async def test_contact_and_address_are_written_and_cleared(shop: Shop) -> None:
    address = {"name": "Ada", "line1": "1 High Street", "city": "York", "postal_code": "YO1", "country": "GB"}
    async with shop.sessions.begin() as session:
        cart = await new_cart(session)
        changed = await carts.change(session, cart.id, {"email": "ada@example.com", "shipping_address": address})
        cleared = await carts.change(session, cart.id, {"shipping_address": None})

    assert (changed.email, changed.shipping_address) == ("ada@example.com", address)
    assert (cleared.email, cleared.shipping_address) == ("ada@example.com", None)
    assert await shop.run("SELECT shipping_address IS NULL FROM carts WHERE id = :id", id=cart.id) == [(True,)]
