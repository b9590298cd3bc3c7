"""What surrounds every request: headers, origins, hosts, and patience with those who are slow."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from sqlalchemy import text

from api.deps import Write
from settings import Settings
from tests.api.answers import body, problem
from tests.api.shops import open_shop, shop_app
from tests.api.wire import sent, served
from tests.support.shop import Shop

SHOP = "https://shop.example"
PREFLIGHT = {"Origin": SHOP, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-cart-token"}


@asynccontextmanager
async def on_the_wire(settings: Settings, **changed: Any) -> AsyncIterator[tuple[FastAPI, tuple[str, int]]]:
    app = shop_app(settings, **changed)
    async with app.router.lifespan_context(app), served(app) as address:
        yield app, address


# Headers ---------------------------------------------------------------------------------------------------------


@pytest.mark.in_process("a length that is a lie is nothing that a real client sends")
async def test_every_answer_tells_browsers_what_they_may_not_do(guest: httpx2.AsyncClient) -> None:
    for answer in (
        await guest.get("/v1/products"),
        await guest.post("/v1/carts"),
        await guest.get("/nowhere"),
        await guest.post("/v1/carts", headers={"Content-Length": "99999999"}, content=b""),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert "strict-transport-security" not in answer.headers


async def test_only_what_is_the_same_for_everybody_may_be_kept(guest: httpx2.AsyncClient) -> None:
    for path in ("/v1/products", "/v1/categories", "/openapi.json"):
        assert "no-store" not in (await guest.get(path)).headers.get("cache-control", "")
    opened = await guest.post("/v1/carts")
    shown = await guest.get(f"/v1/carts/{opened.json()['id']}", headers={"X-Cart-Token": opened.json()["token"]})
    for answer in (opened, shown, await guest.get("/v1/stock/SKU"), await guest.get("/v1/orders")):
        assert answer.headers["cache-control"] == "no-store"


async def test_the_documentation_runs_its_own_scripts_only_and_is_framed_by_nobody(guest: httpx2.AsyncClient) -> None:
    page = await guest.get("/docs")
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    assert "//" not in page.headers["content-security-policy"] + page.text
    assert re.findall(r"<script(?! src=\"/docs/[a-z-]+\.js\"></script>)", page.text) == []


async def test_browsers_insist_on_tls_where_a_setting_says_so(settings: Settings) -> None:
    async with open_shop(settings, hsts_seconds=63_072_000) as client:
        told = (await client.get("/healthz")).headers["strict-transport-security"]
    assert told == "max-age=63072000; includeSubDomains"


# Origins and hosts -----------------------------------------------------------------------------------------------


async def test_scripts_of_no_origin_are_let_in_by_default(guest: httpx2.AsyncClient) -> None:
    asked = await guest.options("/v1/carts", headers=PREFLIGHT)
    problem(asked, 405, "method_not_allowed")
    assert not any(name.startswith("access-control") for name in asked.headers)
    answer = await guest.get("/v1/products", headers={"Origin": SHOP})
    assert not any(name.startswith("access-control") for name in answer.headers)


async def test_scripts_of_the_origins_that_are_named_are_let_in_without_cookies(settings: Settings) -> None:
    async with open_shop(settings, cors_origins=f"{SHOP}, https://other.example") as client:
        asked = await client.options("/v1/carts", headers=PREFLIGHT)
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, SHOP)
        coming_back = await client.options(
            "/v1/orders", headers={**PREFLIGHT, "Access-Control-Request-Headers": "last-event-id"}
        )
        assert coming_back.status_code == 200
        answer = await client.get("/v1/products", headers={"Origin": SHOP})
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert "RateLimit" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers
        stranger = await client.get("/v1/products", headers={"Origin": "https://stranger.example"})
        assert "access-control-allow-origin" not in stranger.headers


async def test_any_origin_never_comes_with_credentials(settings: Settings) -> None:
    async with open_shop(settings, cors_origins="*") as client:
        answer = await client.get("/v1/products", headers={"Origin": SHOP, "Cookie": "session=1"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


async def test_a_request_for_another_host_is_refused_where_hosts_are_named(settings: Settings) -> None:
    async with open_shop(settings, allowed_hosts="api.example") as client:
        for host in ("evil.example", "api.example.evil.example", ""):
            problem(await client.get("/v1/products", headers={"Host": host}), 422, "validation_error")
        for host in ("api.example", "API.example:8443"):
            assert (await client.get("/v1/products", headers={"Host": host})).status_code == 200
        assert (await client.get("/readyz", headers={"Host": "10.0.0.1"})).status_code == 200


async def test_a_line_break_in_a_header_starts_no_other_header(settings: Settings) -> None:
    async with on_the_wire(settings) as (_, address):
        for value in (b"abc\r\nX-Evil: 1", b"abc%0d%0aX-Evil: 1", b"abc\rX-Evil: 1", b"abc\x00"):
            head = b"GET /healthz HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nX-Request-ID: " + value + b"\r\n\r\n"
            answered, _, _ = (await sent(address, head)).partition(b"\r\n\r\n")
            assert b"x-evil" not in answered.lower()


async def test_head_answers_as_get_does_but_for_the_body(guest: httpx2.AsyncClient) -> None:
    for path in ("/healthz", "/v1/products", "/v1/products/nothing", "/v1/orders"):
        shown, head = await guest.get(path), await guest.head(path)
        assert (head.status_code, head.content) == (shown.status_code, b"")
        for name in ("etag", "cache-control", "content-type", "content-length"):
            assert head.headers.get(name) == shown.headers.get(name)
    assert (await guest.head("/v1/auth/token")).status_code == 405


async def test_head_leaves_the_connection_to_the_next_request(settings: Settings) -> None:
    head = b"HEAD /v1/products HTTP/1.1\r\nHost: shop\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"
    async with on_the_wire(settings) as (_, address):
        first, second, body = (await sent(address, head + last)).split(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200 ")
    assert second.startswith(b"HTTP/1.1 200 ")
    assert body.startswith(b"{")


# Patience --------------------------------------------------------------------------------------------------------


async def test_a_body_that_does_not_arrive_is_waited_for_no_longer_than_the_limit(
    settings: Settings, shop: Shop
) -> None:
    before = await shop.contents()
    head = b"POST /v1/carts HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    async with on_the_wire(settings, upload_timeout=0.1) as (_, address):
        answered = await sent(address, head)
    assert answered.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request_timeout"' in answered
    assert b"connection: close" in answered.lower()
    assert await shop.contents() == before


async def test_a_body_that_trickles_in_is_not_given_more_time_for_each_drop(settings: Settings) -> None:
    app, drops = shop_app(settings, upload_timeout=0.3), 0

    async def trickle() -> AsyncIterator[bytes]:
        nonlocal drops
        while drops < 1_000:
            drops += 1
            yield b" "
            await asyncio.sleep(0.02)

    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://shop.example") as client:
            json = {"Content-Type": "application/json"}
            problem(await client.post("/v1/carts", content=trickle(), headers=json), 408, "request_timeout")
    assert drops < 1_000


def add_slow_routes(app: FastAPI) -> None:
    @app.post("/slow")
    async def slow(session: Write) -> None:
        await session.execute(text("INSERT INTO locations (code, name) VALUES ('slow', 'Slow')"))
        await asyncio.sleep(30)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for part in (b"a", b"b"):
                yield part
                await asyncio.sleep(0.3)

        return StreamingResponse(parts())


@pytest.fixture
async def impatient(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    app = shop_app(settings, request_timeout=0.2)
    add_slow_routes(app)
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://shop.example") as client,
    ):
        yield client


async def test_a_request_that_takes_too_long_is_undone_and_may_be_repeated(
    impatient: httpx2.AsyncClient, shop: Shop
) -> None:
    before = await shop.contents()
    answer = await impatient.post("/slow")
    problem(answer, 503, "temporarily_unavailable")
    assert answer.headers["retry-after"] == "1"
    assert await shop.contents() == before
    body(await impatient.post("/v1/carts"), 201)


async def test_an_answer_that_has_begun_may_take_its_time(impatient: httpx2.AsyncClient) -> None:
    assert (await impatient.get("/stream")).content == b"ab"
