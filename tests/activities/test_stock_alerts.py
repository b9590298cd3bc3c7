"""Staff is told by mail what little is left of: of each fall once, of many in one message, and only if it is wanted."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.messages import MessageActivities
from activities.stock_alerts import StockAlertChores
from activities.sweeps import Sweeps
from contracts.notifications import DeliverMessage
from db import stock_alerts
from domain.errors import TemporarilyUnavailableError
from providers.links import StorefrontLinks
from providers.rendering import JinjaRenderer
from tests.support.begun import Begun
from tests.support.shop import Shop, opened_shop
from tests.support.steps import attempt
from tests.support.stock import allow, goods, receive
from tests.support.world import SECRET, STOREFRONT, KeptMail

STAFF = "stock@shop.example"


@pytest.fixture
async def shop(database: str) -> AsyncIterator[Shop]:
    """A shop without alerts: the chore gathers all there are."""
    async with opened_shop(database) as shop:
        await shop.run("TRUNCATE stock_alerts, notifications")
        yield shop


async def fallen(shop: Shop, *, to: int = 2) -> str:
    """Have what is left of a SKU fall from ten to its threshold of five, or below."""
    sku = await goods(shop, 10)
    await allow(shop, sku, low=5)
    await receive(shop, sku, to - 10)
    return sku


async def told(shop: Shop, temporal: Begun, *, wanted: bool = True) -> int:
    number: int = await ActivityEnvironment().run(StockAlertChores(shop.sessions, temporal, wanted=wanted).tell)
    return number


async def delivered(shop: Shop, temporal: Begun, recipient: str = STAFF) -> list[Any]:
    mail = KeptMail()
    links = StorefrontLinks(STOREFRONT, SECRET)
    messages = MessageActivities(shop.sessions, mail, JinjaRenderer(), links, recipient)
    for message in temporal.begun:
        await attempt(messages.deliver, DeliverMessage(message))
    return mail.sent


async def rows(shop: Shop) -> list[tuple[object, ...]]:
    return await shop.run("SELECT template, order_id, user_id, state FROM notifications ORDER BY id")


async def test_everything_that_fell_is_told_in_one_mail_and_never_again(shop: Shop) -> None:
    first, second = await fallen(shop), await fallen(shop, to=5)
    temporal = Begun()
    assert await told(shop, temporal) == 1
    assert await told(shop, temporal) == 0

    [mail] = await delivered(shop, temporal)

    assert mail.recipient == STAFF
    assert mail.message_id == f"<{temporal.begun[0]}@everorder>"
    assert mail.subject == f"Low stock: {min(first, second)} and 1 more"
    for part in (mail.text, mail.html):
        assert first in part
        assert "2 available (you are told at 5)" in part
        assert second in part
        assert "5 available (you are told at 5)" in part
    assert await delivered(shop, temporal) == []
    assert await rows(shop) == [("low_stock", None, None, "sent")]
    async with shop.sessions() as session:
        listed = await stock_alerts.listed(session, limit=10)
    assert [alert.told_at is not None for alert in listed] == [True, True]


async def test_sku_that_falls_again_before_it_was_told_is_named_once_as_it_fell_last(shop: Shop) -> None:
    sku = await fallen(shop)
    await receive(shop, sku, 8)
    await receive(shop, sku, -9)
    temporal = Begun()
    assert await told(shop, temporal) == 1

    [mail] = await delivered(shop, temporal)

    assert mail.subject == f"Low stock: {sku}"
    assert "1 available" in mail.text
    assert "2 available" not in mail.text


async def test_sku_that_falls_again_after_it_was_told_is_told_again(shop: Shop) -> None:
    sku = await fallen(shop)
    temporal = Begun()
    await told(shop, temporal)
    await receive(shop, sku, 8)
    assert await told(shop, temporal) == 0
    await receive(shop, sku, -9)
    assert await told(shop, temporal) == 1
    assert [mail.subject for mail in await delivered(shop, temporal)] == [f"Low stock: {sku}"] * 2


async def test_message_that_was_not_begun_is_found_by_the_sweep(shop: Shop) -> None:
    sku = await fallen(shop)
    with pytest.raises(TemporarilyUnavailableError):
        await told(shop, Begun(away=1))
    await shop.run("UPDATE notifications SET sweep_at = now()")
    temporal = Begun()

    assert await ActivityEnvironment().run(Sweeps(shop.sessions, temporal, Begun()).messages) == 1

    assert [mail.subject for mail in await delivered(shop, temporal)] == [f"Low stock: {sku}"]
    assert await told(shop, temporal) == 0


async def test_nobody_is_told_where_no_address_is_set(shop: Shop) -> None:
    await fallen(shop)
    temporal = Begun()
    assert await told(shop, temporal, wanted=False) == 0
    assert await rows(shop) == []

    assert await told(shop, temporal) == 1
    assert await delivered(shop, temporal, recipient="") == []
    assert await rows(shop) == [("low_stock", None, None, "dropped")]


async def test_what_fell_days_ago_is_not_told_when_an_address_is_set_at_last(shop: Shop) -> None:
    await fallen(shop)
    await shop.run("UPDATE stock_alerts SET created_at = now() - interval '25 hours'")
    assert await told(shop, Begun()) == 0
    assert await rows(shop) == []


async def test_mail_names_a_hundred_articles_and_counts_the_others(shop: Shop) -> None:
    sku = await fallen(shop)
    await shop.run(
        "WITH more AS (INSERT INTO variants (sku, product_id, title, position)"
        " SELECT v.sku || '-' || n, v.product_id, '', n FROM variants v, generate_series(1, 1000) AS n"
        " WHERE v.sku = :sku RETURNING sku) SELECT count(*) FROM more",
        sku=sku,
    )
    await shop.run(
        "INSERT INTO stock_alerts (id, sku, low_stock_at, available)"
        " SELECT uuidv7(), sku, 5, 0 FROM variants WHERE sku LIKE :sku || '-%'",
        sku=sku,
    )
    temporal = Begun()
    assert await told(shop, temporal) == 2

    whole, rest = await delivered(shop, temporal)

    assert whole.subject.endswith("and 999 more")
    assert whole.text.count("0 available") + whole.text.count("2 available") == 100
    assert "and 900 more" in whole.text
    assert "more" not in rest.subject
