"""What an order costs by the rules of its moment, written down so that every part of its total is explained."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event

from activities.ports import PaymentProvider
from contracts.orders import OrderSnapshot, PlaceOrder, ShippedLine
from contracts.shipments import BeginShipment
from db import carts, checkout, orders, price_rules, shipments
from db.orders import AdjustmentView, OrderView
from domain.captures import CapturePolicy
from domain.errors import ShippingMethodRequiredError, ShippingUnavailableError
from domain.money import Money
from domain.order_states import OrderStatus
from domain.pricing.explaining import AdjustmentProblem
from tests.support.postgres import PostgresForTests
from tests.support.prices import Prices
from tests.support.shop import Shop, opened_shop
from tests.support.steps import NO_TEMPORAL
from tests.support.world import KeptMail, World


@pytest.fixture(scope="module")
async def shop(postgres: PostgresForTests) -> AsyncIterator[Shop]:
    async with opened_shop(postgres.migrated(), pool_size=5) as shop:
        yield shop


@pytest.fixture
def world(shop: Shop) -> World:
    return World(shop, NO_TEMPORAL, cast("PaymentProvider", None), KeptMail())


@pytest.fixture
async def prices(shop: Shop) -> AsyncIterator[Prices]:
    prices = Prices(shop)
    yield prices
    await prices.clear()


async def choose(world: World, cart: UUID, *codes: str, method: str | None = None) -> None:
    await world.shop.run(
        "UPDATE carts SET promotion_codes = :codes, shipping_method = :method WHERE id = :id",
        codes=list(codes),
        method=method,
        id=cart,
    )


async def open_(world: World, order: PlaceOrder) -> OrderSnapshot:
    async with world.sessions.begin() as session:
        return await checkout.open_order(session, order)


async def row(world: World, order: PlaceOrder) -> OrderView:
    async with world.sessions() as session:
        found = await orders.find(session, order.order_id)
        assert found is not None
        return found


def parts(order: OrderView) -> tuple[int, ...]:
    return order.subtotal, order.discount, order.shipping, order.tax, order.tax_included, order.total


async def test_order_is_priced_by_promotion_shipping_and_tax_and_says_which_line_bears_what(
    world: World, prices: Prices
) -> None:
    await prices.promotion("TENTH")
    await prices.tax()
    await prices.method(await prices.zone("GB"), "parcel", [[5000, 399], [None, 0]])
    dear, cheap = await world.goods(amount=1999), await world.goods(amount=333)
    order = world.order_of(await world.cart((dear, 1), (cheap, 3)), expected=3717)
    await choose(world, order.cart_id, "TENTH", method="parcel")

    opened = await open_(world, order)

    assert (opened.status, opened.total) == (OrderStatus.PENDING, Money(3717, "GBP"))
    written = await row(world, order)
    assert parts(written) == (2998, 300, 399, 620, 0, 3717)
    assert [(line.total, line.discount, line.tax, line.tax_included) for line in written.lines] == [
        (1999, 200, 360, 0),
        (999, 100, 180, 0),
    ]
    first, second = (line.line_id for line in written.lines)
    assert written.adjustments == (
        AdjustmentView("discount", "TENTH", "Label of TENTH", 300, ((first, 200), (second, 100))),
        AdjustmentView("shipping", "parcel", "Name of parcel", 399, ()),
        AdjustmentView("tax", "standard", "VAT 20%", 620, ((first, 360), (second, 180))),
    )


async def test_tax_that_prices_include_is_told_and_not_added(world: World, prices: Prices) -> None:
    await prices.tax(included=True)
    order = world.order_of(await world.cart((await world.goods(amount=1200), 2)))

    opened = await open_(world, order)

    assert opened.total == Money(2400, "GBP")
    written = await row(world, order)
    assert parts(written) == (2400, 0, 0, 0, 400, 2400)
    [line] = written.lines
    assert (line.tax, line.tax_included) == (0, 400)
    assert [(each.type, each.amount) for each in written.adjustments] == [("tax_included", 400)]


async def test_region_with_a_rule_of_its_own_is_taxed_by_it_and_other_countries_not_at_all(
    world: World, prices: Prices
) -> None:
    await prices.tax("US", rates='{"standard": 10000}')
    await prices.tax("US", region="NY", rates='{"standard": 88750}')
    sku = await world.goods(amount=10_000, stock=100)
    taxed = []
    for country, region in (("US", "NY"), ("US", "ny"), ("US", "TX"), ("US", None), ("FR", None)):
        cart = await world.cart((sku, 1))
        await world.shop.run(
            "UPDATE carts SET shipping_address = jsonb_build_object('country', CAST(:country AS text),"
            " 'region', CAST(:region AS text)) WHERE id = :id",
            country=country,
            region=region,
            id=cart,
        )
        order = world.order_of(cart)
        await open_(world, order)
        taxed.append([(each.label, each.amount) for each in (await row(world, order)).adjustments])

    assert taxed == [[("VAT 8.875%", 888)], [("VAT 8.875%", 888)], [("VAT 1%", 100)], [("VAT 1%", 100)], []]


async def test_articles_are_taxed_by_their_own_category(world: World, prices: Prices) -> None:
    await prices.tax(rates='{"standard": 200000, "food": 50000}')
    food, book, mug = [await world.goods(amount=1000) for _ in range(3)]
    for sku, category in ((food, "food"), (book, "books")):
        await world.shop.run("UPDATE variants SET tax_category = :tax WHERE sku = :sku", tax=category, sku=sku)
    order = world.order_of(await world.cart((food, 1), (book, 1), (mug, 1)))

    await open_(world, order)

    assert [line.tax for line in (await row(world, order)).lines] == [50, 0, 200]


async def test_promotion_reaches_every_category_below_the_one_it_names(world: World, prices: Prices) -> None:
    above, beside = await world.shop.category("Kitchen"), await world.shop.category("Garden")
    below = await world.shop.category("Mugs")
    await world.shop.run("UPDATE categories SET parent_id = :above WHERE id = :id", above=above, id=below)
    promotion = await prices.promotion(f"KITCHEN-{above.hex[-6:]}", automatic=True)
    await world.shop.run("INSERT INTO promotion_categories VALUES (:p, :c)", p=promotion, c=above)
    mug, spade = await world.goods(amount=1000), await world.goods(amount=1000)
    for sku, category in ((mug, below), (spade, beside)):
        await world.shop.run(
            "UPDATE products SET category_id = :c WHERE id = (SELECT product_id FROM variants WHERE sku = :sku)",
            c=category,
            sku=sku,
        )
    order = world.order_of(await world.cart((spade, 1), (mug, 1)))

    await open_(world, order)

    assert [line.discount for line in (await row(world, order)).lines] == [0, 100]


async def test_shop_that_ships_makes_no_order_without_a_method_and_none_with_one_that_does_not_go_there(
    world: World, prices: Prices
) -> None:
    await prices.method(await prices.zone("FR"), "parcel", [[None, 900]])
    uk = await prices.zone("GB")
    await prices.method(uk, "letter", [[100, 85]], measure="weight")
    sku = await world.goods()
    await world.shop.run("UPDATE variants SET weight = 101 WHERE sku = :sku", sku=sku)
    order = world.order_of(await world.cart((sku, 1)))

    with pytest.raises(ShippingMethodRequiredError):
        await open_(world, order)
    for impossible in ("parcel", "letter", "teleport"):
        await choose(world, order.cart_id, method=impossible)
        with pytest.raises(ShippingUnavailableError):
            await open_(world, order)
    assert await world.cart_row(order.cart_id) == ("open", 1)
    assert await world.stock(sku) == (10, 0)

    await prices.method(uk, "courier", [[None, 1200]])
    await choose(world, order.cart_id, method="courier")
    assert (await open_(world, order)).total.amount == 2200


async def test_country_that_no_zone_names_belongs_to_everywhere_else(world: World, prices: Prices) -> None:
    await prices.method(await prices.zone(), "world", [[None, 1500]])
    await prices.method(await prices.zone("FR"), "parcel", [[None, 900]])
    order = world.order_of(await world.cart((await world.goods(amount=1000), 1)))
    await choose(world, order.cart_id, method="world")

    assert (await open_(world, order)).total.amount == 2500


async def test_method_priced_in_another_currency_is_not_offered(world: World, prices: Prices) -> None:
    await prices.method(await prices.zone("GB"), "parcel", [[None, 900]], currency="EUR")
    order = world.order_of(await world.cart((await world.goods(), 1)))
    await choose(world, order.cart_id, method="parcel")

    with pytest.raises(ShippingUnavailableError):
        await open_(world, order)


async def test_rule_that_changed_since_the_buyer_looked_is_another_price(world: World, prices: Prices) -> None:
    sku = await world.goods(amount=1000)
    order = world.order_of(await world.cart((sku, 1)), expected=1000)
    await prices.tax()

    failed = await open_(world, order)

    assert (failed.status, failed.reason, failed.total.amount) == (OrderStatus.FAILED, "price_changed", 1200)
    assert await world.stock(sku) == (10, 0)
    assert await world.cart_row(order.cart_id) == ("open", 2)


NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"starts_at": NOW + timedelta(days=1)}, AdjustmentProblem.NOT_STARTED),
        ({"ends_at": NOW - timedelta(days=1)}, AdjustmentProblem.EXPIRED),
        ({"active": False}, AdjustmentProblem.EXPIRED),
        ({"use_limit": 3, "uses": 3}, AdjustmentProblem.USED_UP),
        ({"use_limit": 0}, AdjustmentProblem.USED_UP),
        ({"customer_limit": 0}, AdjustmentProblem.USED_BY_CUSTOMER),
        ({"minimum_quantity": 2}, AdjustmentProblem.NOT_APPLICABLE),
        ({"minimum_amount": 1001, "currency": "GBP"}, AdjustmentProblem.NOT_APPLICABLE),
        ({"skus": ["another"]}, AdjustmentProblem.NOT_APPLICABLE),
        ({"effect": "amount", "amount": 100, "currency": "EUR"}, AdjustmentProblem.OTHER_CURRENCY),
        ({"automatic": True, "active": False}, AdjustmentProblem.UNKNOWN_CODE),
    ],
    ids=lambda value: value if isinstance(value, AdjustmentProblem) else "",
)
async def test_code_that_can_not_be_used_says_why_and_the_cart_is_sold_without_it(
    world: World, prices: Prices, columns: dict[str, Any], problem: AdjustmentProblem
) -> None:
    code = world.shop.sku("CODE").upper()
    promotion = await prices.promotion(code, **columns)
    order = world.order_of(await world.cart((await world.goods(amount=1000), 1)))
    await choose(world, order.cart_id, code)

    async with world.sessions() as session:
        cart = await carts.find(session, order.cart_id)
        assert cart is not None
        lines = await carts.priced_lines(session, cart)
        price = (await price_rules.of_cart(session, cart, lines)).price(lines)
    assert [(each.code, each.amount.amount, each.problem) for each in price.adjustments] == [(code, 0, problem)]

    uses = await prices.uses(promotion)
    assert (await open_(world, order)).total.amount == 1000
    assert (await row(world, order)).adjustments == ()
    assert await prices.uses(promotion) == uses


async def test_free_shipping_is_an_adjustment_of_nothing_and_the_carriage_is_free(world: World, prices: Prices) -> None:
    await prices.method(await prices.zone("GB"), "parcel", [[None, 900]])
    promotion = await prices.promotion("FREEPOST", "free_shipping")
    order = world.order_of(await world.cart((await world.goods(amount=1000), 1)))
    await choose(world, order.cart_id, "FREEPOST", method="parcel")

    assert (await open_(world, order)).total.amount == 1000

    assert [(each.type, each.code, each.amount, each.lines) for each in (await row(world, order)).adjustments] == [
        ("discount", "FREEPOST", 0, ()),
        ("shipping", "parcel", 0, ()),
    ]
    assert await prices.uses(promotion) == 1


async def test_checkout_without_rules_reads_them_in_one_statement_and_writes_no_more(world: World) -> None:
    order = world.order_of(await world.cart((await world.goods(), 1)))
    statements: list[str] = []

    def seen(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(world.shop.engine.sync_engine, "before_cursor_execute", seen)
    try:
        await open_(world, order)
    finally:
        event.remove(world.shop.engine.sync_engine, "before_cursor_execute", seen)

    tables = ["FROM carts", "FROM cart_lines", "FROM promotions", "INTO orders", "stock_levels"]
    assert [table in statement for table, statement in zip(tables, statements, strict=True)] == [True] * 5


async def test_shipments_take_what_is_paid_for_their_lines_with_their_part_of_shipping_and_tax(
    world: World, prices: Prices
) -> None:
    await prices.promotion("CHEAPER", skus=[cheap := await world.goods(amount=1000)], basis_points=5000)
    await prices.tax()
    await prices.method(await prices.zone("GB"), "parcel", [[None, 301]])
    dear = await world.goods(amount=2000)
    order = world.order_of(await world.cart((cheap, 1), (dear, 3)))
    await choose(world, order.cart_id, "CHEAPER", method="parcel")
    await open_(world, replace(order, capture=CapturePolicy.SHIPMENT))
    await world.shop.run(
        "WITH placed AS (UPDATE orders SET status = 'placed', payment_status = 'authorised' WHERE id = :id)"
        " INSERT INTO payment_operations (key, order_id, operation, attempt, n, amount, currency, provider, state)"
        " VALUES (:key, :id, 'authorise', 1, 1, 8161, 'GBP', 'stripe', 'succeeded')",
        id=order.order_id,
        key=f"{order.order_id}:authorise:1",
    )
    assert parts(await row(world, order)) == (7000, 500, 301, 1360, 0, 8161)
    first, second = (line.line_id for line in (await row(world, order)).lines)

    for line, quantity in ((first, 1), (second, 2), (second, 1)):
        async with world.sessions.begin() as session:
            lines = (ShippedLine(line, quantity),)
            await shipments.begin(session, BeginShipment(order.order_id, uuid4(), "operator:1", lines))

    shares = await world.shop.run(
        "SELECT share_amount FROM shipments WHERE order_id = :id ORDER BY n", id=order.order_id
    )
    # 600 of 7800 is paid for the first line: 627 of 8161; 5400 with two of the second: 5649.
    assert shares == [(627,), (5022,), (2512,)]
