from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import httpx2
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.services import Service, parse
from settings import Settings, SettingsError
from tests.api.answers import body, problem
from tests.api.orders_double import OrdersDouble

NOWHERE = "127.0.0.1:1"


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://shop.example") as client,
    ):
        yield client


async def test_a_process_that_answers_is_alive_and_ready(guest: httpx2.AsyncClient) -> None:
    assert body(await guest.get("/healthz")) == {"status": "ok"}
    assert body(await guest.get("/readyz")) == {"status": "ready", "checks": {"database": True, "temporal": True}}


async def test_without_temporal_a_process_is_alive_but_not_ready(
    guest: httpx2.AsyncClient, orders: OrdersDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "is_reachable", False)
    refused = problem(await guest.get("/readyz"), 503, "temporarily_unavailable")
    assert refused["checks"] == {"database": True, "temporal": False}
    assert refused["detail"] == "can not reach: temporal"
    assert body(await guest.get("/healthz")) == {"status": "ok"}


async def test_a_process_starts_without_its_servers_and_says_so_soon(settings: Settings) -> None:
    away = settings.model_copy(
        update={"database_url": f"postgresql://nobody@{NOWHERE}/nothing", "temporal_address": NOWHERE}
    )
    async with client_of(create_app(away, services="")) as client:
        began = monotonic()
        refused = problem(await client.get("/readyz"), 503, "temporarily_unavailable")
        assert monotonic() - began < 4
        assert refused["checks"] == {"database": False, "temporal": False}
        assert body(await client.get("/healthz")) == {"status": "ok"}


async def test_a_process_serves_only_the_services_that_it_is_told_to(settings: Settings) -> None:
    async with client_of(create_app(settings, services="catalog, carts")) as client:
        assert (await client.get("/v1/categories")).status_code == 200
        assert (await client.post("/v1/carts")).status_code == 201
        problem(await client.get("/v1/stock/SKU"), 404, "not_found")
        assert (await client.get("/healthz")).status_code == 200


async def test_the_services_come_from_the_environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERORDER_SERVICES", "inventory")
    async with client_of(create_app(settings)) as client:
        problem(await client.post("/v1/carts"), 404, "not_found")
        problem(await client.get("/v1/stock/SKU"), 404, "not_found")


def test_services_are_a_comma_list_and_none_named_is_all() -> None:
    assert parse("") == frozenset(Service)
    assert parse(" carts ,catalog,") == {Service.CARTS, Service.CATALOG}
    with pytest.raises(SettingsError, match=r"^EVERORDER_SERVICES: one of catalog, .* expected in 'carts,nonsense'$"):
        parse("carts,nonsense")
