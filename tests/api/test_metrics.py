"""What a process counts, by exact names and labels, and that nothing that anybody asks makes more of them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from api.app import create_app
from api.deps import Resources
from api.metrics import shop as shop_metrics
from api.metrics.requests import RequestMetrics
from api.rate_limits import LIMITS, RouteClass
from clients.orders import Accepted
from contracts.orders import OrderOutcome
from db import attention
from db.attention import OPEN, OVERDUE, Figures
from db.audit.limits import Limits
from db.engine import create_engine
from domain.errors import TemporarilyUnavailableError
from domain.order_states import FailureReason, OrderStatus
from settings import Settings
from tests.api.answers import problem
from tests.api.buyer import ready_buyer
from tests.api.orders_double import OrdersDouble
from tests.docs.documents import ROOT
from tests.support.alerts import of_the_api, rules
from tests.support.postgres import PostgresForTests
from tests.support.shop import Shop, opened_shop

REQUESTS = "everorder_http_request_duration_seconds"
OF_A_PROCESS = {
    REQUESTS: "histogram",
    "everorder_http_rate_limited": "counter",
    "everorder_http_requests_in_flight": "gauge",
    "everorder_checkouts": "counter",
    "everorder_event_streams": "gauge",
    "everorder_database_connections_in_use": "gauge",
    "everorder_database_connections_max": "gauge",
    "everorder_database_reads_waiting": "gauge",
}
OF_THE_SHOP = {
    "everorder_shop_up",
    "everorder_orders_open",
    "everorder_orders_needing_operator",
    "everorder_overdue",
    "everorder_reconciliation_findings",
    "everorder_low_stock_alerts",
    "everorder_messages_undelivered",
    "everorder_messages_undelivered_oldest_seconds",
    "everorder_payments_started",
    "everorder_payments_started_oldest_seconds",
    "everorder_webhook_events_waiting",
    "everorder_webhook_events_waiting_oldest_seconds",
}

Series = tuple[str, frozenset[tuple[str, str]]]


def series(name: str, **labels: str) -> Series:
    return name, frozenset(labels.items())


async def scraped(client: httpx2.AsyncClient, **headers: str) -> str:
    answer = await client.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return answer.text


def of_ours(text: str) -> list[Metric]:
    return [family for family in text_string_to_metric_families(text) if family.name.startswith("everorder_")]


async def counted(client: httpx2.AsyncClient) -> Mapping[Series, float]:
    return {
        series(sample.name, **sample.labels): sample.value
        for family in text_string_to_metric_families(await scraped(client))
        for sample in family.samples
    }


@asynccontextmanager
async def fresh(settings: Settings, double: OrdersDouble, services: str = "") -> AsyncIterator[httpx2.AsyncClient]:
    """Open an API that has counted nothing yet."""

    @asynccontextmanager
    async def opens(settings: Settings) -> AsyncIterator[Resources]:
        engine = create_engine(settings.database_url)
        yield Resources(settings, engine, double)
        await engine.dispose()

    app: FastAPI = create_app(settings, services=services, opens=opens)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://shop.example") as client,
    ):
        yield client


@pytest.fixture
async def empty_shop(settings: Settings, postgres: PostgresForTests) -> AsyncIterator[tuple[Settings, Shop]]:
    url = postgres.migrated()
    async with opened_shop(url) as shop:
        yield settings.model_copy(update={"database_url": url}), shop


async def test_names_and_kinds_are_those_that_alerts_rely_on(settings: Settings, orders: OrdersDouble) -> None:
    async with fresh(settings, orders) as client:
        families = of_ours(await scraped(client))
    assert {family.name: family.type for family in families} == OF_A_PROCESS | dict.fromkeys(OF_THE_SHOP, "gauge")
    assert [family.name for family in families if not family.documentation] == []


async def test_alerts_ask_for_what_there_is(settings: Settings, orders: OrdersDouble) -> None:
    async with fresh(settings, orders) as client:
        await client.get("/v1/categories")
        told = {name: {label for label, _ in labels} for name, labels in await counted(client)}
    told |= {"everorder_checkouts_total": {"outcome"}}  # which the test above counts
    assert {name: labels - told[name] for name, labels in of_the_api().items() if labels - told[name]} == {}
    assert {rule["labels"]["severity"] for rule in rules()} == {"page", "ticket"}
    operations = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    assert [rule["alert"] for rule in rules() if f"`{rule['alert']}`" not in operations] == []


async def test_requests_are_counted_by_route_method_and_class_of_status(
    settings: Settings, orders: OrdersDouble
) -> None:
    async with fresh(settings, orders) as client:
        for _ in range(3):
            await client.post("/v1/carts", json={})
        await client.post("/v1/carts", json={"currency": "none"})
        await client.get("/v1/products/no-such-thing")
        await client.head("/v1/products")
        told = await counted(client)
    count, total = f"{REQUESTS}_count", f"{REQUESTS}_sum"
    assert {one[1]: value for one, value in told.items() if one[0] == count} == {
        frozenset({("route", "/v1/carts"), ("method", "POST"), ("status", "2xx")}): 3,
        frozenset({("route", "/v1/carts"), ("method", "POST"), ("status", "4xx")}): 1,
        frozenset({("route", "/v1/products/{id_or_slug}"), ("method", "GET"), ("status", "4xx")}): 1,
        frozenset({("route", "/v1/products"), ("method", "HEAD"), ("status", "2xx")}): 1,
    }
    assert all(0 < value < 60 for one, value in told.items() if one[0] == total)
    assert told[series("everorder_http_requests_in_flight")] == 1


async def test_no_path_method_or_refusal_that_anybody_invents_makes_another_series(
    settings: Settings, orders: OrdersDouble
) -> None:
    async with fresh(settings, orders) as client:
        for number in range(50):
            await client.get(f"/nowhere/{number}")
            await client.request(f"BREW{number}", "/v1/carts")
            await client.get(f"/v1/orders/ada{number}@example.com")
        text = await scraped(client)
        told = await counted(client)
    counts = {one: value for one, value in told.items() if one[0] == f"{REQUESTS}_count"}
    assert counts == {
        series(f"{REQUESTS}_count", route="none", method="GET", status="4xx"): 50,
        series(f"{REQUESTS}_count", route="/v1/carts", method="other", status="4xx"): 50,
        series(f"{REQUESTS}_count", route="/v1/orders/{order_id}", method="GET", status="4xx"): 50,
        series(f"{REQUESTS}_count", route="/metrics", method="GET", status="2xx"): 1,
    }
    assert "ada" not in text
    assert "BREW" not in text


async def test_checkouts_are_counted_by_what_they_came_to(settings: Settings, orders: OrdersDouble, shop: Shop) -> None:
    async with fresh(settings, orders) as client:
        for _ in range(3):
            buyer = await ready_buyer(client, shop)
            orders.answers.append(OrderOutcome(await buyer.has_order("placed"), OrderStatus.PLACED))
            assert (await buyer.check_out()).status_code == 201
        declined = await ready_buyer(client, shop)
        orders.answers.append(
            OrderOutcome(
                declined.order_id(), OrderStatus.FAILED, reason=FailureReason.PAYMENT_DECLINED, decline_code="generic"
            )
        )
        assert (await declined.check_out()).status_code == 402
        slow = await ready_buyer(client, shop)
        orders.answers.append(Accepted(slow.order_id()))
        assert (await slow.check_out()).status_code == 202
        lost = await ready_buyer(client, shop)
        orders.answers.append(TemporarilyUnavailableError("nobody answers"))
        assert (await lost.check_out()).status_code == 503
        told = await counted(client)
    outcomes = {dict(one[1])["outcome"]: value for one, value in told.items() if one[0] == "everorder_checkouts_total"}
    assert outcomes == {"placed": 3, "payment_failed": 1, "accepted": 1, "temporarily_unavailable": 1}


async def test_requests_that_were_too_many_are_counted_by_their_limit(settings: Settings, orders: OrdersDouble) -> None:
    few = settings.model_copy(update={"rate_limit_scale": 2 / LIMITS[RouteClass.READ].address})
    async with fresh(few, orders) as client:
        answers = [(await client.get("/v1/categories")).status_code for _ in range(5)]
        told = await counted(client)
    assert answers == [200, 200, 429, 429, 429]
    assert told[series("everorder_http_rate_limited_total", policy="read")] == 3


async def test_what_waits_in_the_shop_is_told_in_figures(
    empty_shop: tuple[Settings, Shop], orders: OrdersDouble
) -> None:
    settings, shop = empty_shop
    async with fresh(settings, orders) as client:
        quiet = {one: value for one, value in (await counted(client)).items() if one[0] in OF_THE_SHOP}
    assert quiet.pop(series("everorder_shop_up")) == 1
    assert set(quiet.values()) == {0}
    assert {dict(one[1])["status"] for one in quiet if one[0] == "everorder_orders_open"} == set(OPEN)
    assert {dict(one[1])["check"] for one in quiet if one[0] == "everorder_overdue"} == {one.name for one in OVERDUE}

    async with fresh(settings, orders) as client:
        for status, needs in (("placed", False), ("placed", True), ("closed", False)):
            await (await ready_buyer(client, shop)).has_order(status, needs_operator=needs)
        stuck = await (await ready_buyer(client, shop)).has_order("placed")
        await waits(shop, stuck)
        told = await counted(client)
    assert told[series("everorder_orders_open", status="placed")] == 3
    assert series("everorder_orders_open", status="closed") not in told
    assert told[series("everorder_orders_needing_operator")] == 1
    assert told[series("everorder_payments_started")] == 1
    assert 3_600 <= told[series("everorder_payments_started_oldest_seconds")] < 3_700
    assert told[series("everorder_overdue", check="started_is_finished")] == 1
    assert told[series("everorder_messages_undelivered")] == 1
    assert 7_200 <= told[series("everorder_messages_undelivered_oldest_seconds")] < 7_300
    assert told[series("everorder_overdue", check="message_is_delivered")] == 0
    assert told[series("everorder_webhook_events_waiting")] == 1
    assert told[series("everorder_low_stock_alerts")] == 0


async def waits(shop: Shop, order: UUID) -> None:
    """Leave a payment, a message and an event of a provider undone for an hour or two."""
    await shop.run(
        "INSERT INTO payment_operations (key, order_id, operation, attempt, n, amount, currency, provider, state,"
        " created_at) VALUES ('k', :order, 'capture', 1, 1, 2000, 'GBP', 'stripe', 'started',"
        " now() - interval '1 hour')",
        order=order,
    )
    await shop.run(
        "INSERT INTO notifications (id, order_id, template, channel, n, state, message_id, attempts, created_at)"
        " VALUES (:order, :order, 'placed', 'email', 1, 'pending', '<1@everorder>', 0, now() - interval '2 hours')",
        order=order,
    )
    await shop.run(
        "INSERT INTO webhook_events (provider, event_id, kind, state) VALUES ('stripe', 'evt_1', 'x', 'received')"
    )


async def test_a_storm_of_scrapes_asks_the_database_once(
    settings: Settings, orders: OrdersDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, take_overdue, taken = attention.figures, attention.overdue, list[Limits | None]()

    async def taking(session: AsyncSession) -> Figures:
        taken.append(None)
        return await take(session)

    async def taking_overdue(session: AsyncSession, limits: Limits) -> Mapping[str, int]:
        taken.append(limits)
        return await take_overdue(session, limits)

    monkeypatch.setattr(attention, "figures", taking)
    monkeypatch.setattr(attention, "overdue", taking_overdue)
    async with fresh(settings, orders) as client:
        answers = await asyncio.gather(*(scraped(client) for _ in range(20)))
    assert all("everorder_shop_up 1.0" in answer for answer in answers)
    assert taken == [None, Limits(hold=timedelta(minutes=90))]


async def test_what_is_overdue_is_looked_for_once_a_minute_and_is_missing_alone_where_that_takes_long(
    settings: Settings, orders: OrdersDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Limits] = []

    async def slow(_: AsyncSession, limits: Limits) -> Mapping[str, int]:
        asked.append(limits)
        await asyncio.sleep(60)
        return {}

    monkeypatch.setattr(attention, "overdue", slow)
    monkeypatch.setattr(shop_metrics, "KEPT", 0.0)
    monkeypatch.setattr(shop_metrics, "_OVERDUE_PATIENCE", 0.01)
    async with fresh(settings, orders) as client:
        with capture_logs() as logs:
            answers = [await counted(client) for _ in range(3)]
    for told in answers:
        assert told[series("everorder_shop_up")] == 1
        assert OF_THE_SHOP - {one[0] for one in told} == {"everorder_overdue"}
    assert len(asked) == 1
    assert [one["event"] for one in logs if one["log_level"] == "warning"] == ["overdue_figures_unavailable"]


async def test_a_database_that_is_away_takes_nothing_but_its_own_figures(
    empty_shop: tuple[Settings, Shop],
    orders: OrdersDouble,
    postgres: PostgresForTests,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings, _ = empty_shop
    monkeypatch.setattr(shop_metrics, "KEPT", 0.0)
    async with fresh(settings, orders) as client:
        assert (await counted(client))[series("everorder_shop_up")] == 1
        with postgres.away(settings.database_url), capture_logs() as logs:
            told = await counted(client)
        back = await counted(client)
    assert told[series("everorder_shop_up")] == 0
    assert {one[0] for one in told} & OF_THE_SHOP == {"everorder_shop_up"}
    assert told[series(f"{REQUESTS}_count", route="/metrics", method="GET", status="2xx")] == 1
    assert [one["event"] for one in logs if one["log_level"] == "warning"] == ["shop_figures_unavailable"]
    assert {one[0] for one in back} >= OF_THE_SHOP
    assert back[series("everorder_shop_up")] == 1


async def test_a_process_without_orders_leaves_the_shop_to_those_that_have_them(
    settings: Settings, orders: OrdersDouble
) -> None:
    async with fresh(settings, orders, services="catalog, carts") as client:
        families = of_ours(await scraped(client))
    assert {family.name: family.type for family in families} == OF_A_PROCESS


async def test_a_process_with_a_token_tells_nobody_who_does_not_show_it(
    settings: Settings, orders: OrdersDouble
) -> None:
    closed = settings.model_copy(update={"metrics_token": "a-token-of-the-scraper"})
    async with fresh(closed, orders) as client:
        for shown in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {closed.service_token}"}):
            problem(await client.get("/metrics", headers=shown), 401, "unauthenticated")
        await scraped(client, Authorization="Bearer a-token-of-the-scraper")


def test_a_client_that_did_not_wait_is_counted_as_gone() -> None:
    registry = CollectorRegistry()
    RequestMetrics(registry).answered({"method": "GET"}, None, 0.2)
    assert registry.get_sample_value(f"{REQUESTS}_count", {"route": "none", "method": "GET", "status": "gone"}) == 1
