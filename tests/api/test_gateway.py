"""What stands before the services: it finds them, knows when it may ask twice, and speaks as they do."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest

from cli.gateway.command import DOCUMENT, render
from db import order_log
from domain.order_states import EventType
from settings import Settings
from tests.api.answers import body, problem
from tests.api.buyer import ready_buyer
from tests.api.wire import sent
from tests.support.api_process import ended
from tests.support.gateway import Gateway, answer_well, environment_of, running_gateway, running_nginx
from tests.support.ports import free_port
from tests.support.shop import Shop


@pytest.fixture(scope="module")
def gateway(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Carts have two processes of their own, and one process has all the rest."""
    folder = tmp_path_factory.mktemp("gateway")
    environment = {**environment_of(settings), "EVERORDER_EVENT_STREAM_SECONDS": "30"}
    with running_gateway(environment, folder, {"carts": 2, DOCUMENT: 1}) as running:
        yield running


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False, verify=False, timeout=30) as client:
        yield client


async def test_services_are_found_behind_one_address(client: httpx2.AsyncClient) -> None:
    cart = body(await client.post("/v1/carts"), 201)
    token = {"X-Cart-Token": cart["token"]}
    assert body(await client.get(f"/v1/carts/{cart['id']}", headers=token))["id"] == cart["id"]
    assert (await client.get("/v1/products")).status_code == 200
    checkout = await client.post(
        f"/v1/carts/{cart['id']}/checkout", headers=token, json={"payment_method": {"token": "pm_card_visa"}}
    )
    problem(checkout, 409, "cart_empty")
    document = body(await client.get("/openapi.json"))
    assert {"/v1/carts", "/v1/products", "/v1/orders/{order_id}"} <= set(document["paths"])
    problem(await client.get("/v1/nowhere"), 404, "not_found")


async def test_a_service_shows_its_own_document(gateway: Gateway) -> None:
    url = gateway.processes["carts"][0].url
    async with httpx2.AsyncClient(base_url=url, trust_env=False, verify=False) as client:
        paths = body(await client.get("/openapi.json"))["paths"]
    assert {path for path in paths if path.startswith("/v1/")} == {path for path in paths if "/v1/carts" in path}
    assert "/v1/carts/{cart_id}/checkout" not in paths


async def test_a_request_keeps_its_id_on_the_way(client: httpx2.AsyncClient, gateway: Gateway) -> None:
    answer = await client.post("/v1/carts", headers={"X-Request-ID": "kept-on-the-way"})
    assert answer.headers.get_list("x-request-id") == ["kept-on-the-way"]

    def logged() -> int:
        return sum(api.log.read_text().count("kept-on-the-way") for api in gateway.processes["carts"])

    while logged() == 0:  # noqa: ASYNC110 - a process writes its line after it has answered
        await asyncio.sleep(0.02)
    assert logged() == 1
    own = (await client.post("/v1/carts", headers={"X-Request-ID": "not harmless"})).headers["x-request-id"]
    assert len(own) == 32


async def test_what_the_gateway_itself_refuses_is_a_problem_document(gateway: Gateway) -> None:
    host, _, port = gateway.url.removeprefix("http://").partition(":")
    for head, status in (
        (b"POST /v1/carts HTTP/1.1\r\nHost: shop\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"GET /v1/carts HTTP/1.1\r\nHost: shop\r\nHost: evil\r\n\r\n", b"422"),
        (b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: shop\r\n\r\n", b"422"),
    ):
        answered = await sent((host, int(port)), head)
        assert answered.startswith(b"HTTP/1.1 " + status + b" "), answered[:200]
        assert b"application/problem+json" in answered
        assert b"X-Request-ID" in answered


@pytest.mark.parametrize("path", ["/metrics", "/metrics?all", "/%6detrics", "/v1/../metrics", "//metrics", "/metrics/"])
async def test_what_a_process_counts_is_told_to_nobody_outside(gateway: Gateway, path: str) -> None:
    host, port = gateway.url.removeprefix("http://").split(":")
    head = f"GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"
    answered = await sent((host, int(port)), head.encode())
    assert answered.startswith(b"HTTP/1.1 404 ")
    assert b'"code":"not_found"' in answered
    assert b"everorder_http" not in answered


async def test_an_event_of_an_order_is_passed_on_as_it_happens(client: httpx2.AsyncClient, shop: Shop) -> None:
    buyer = await ready_buyer(client, shop)
    order = await buyer.has_order("pending")
    made = body(await client.post(f"/v1/orders/{order}/event-ticket", headers=buyer.headers), 201)
    async with client.stream("GET", f"/v1/orders/{order}/events", params={"ticket": made["ticket"]}) as answer:
        told = (line async for line in answer.aiter_lines() if line.startswith("data: "))
        for event, status in ((EventType.CANCEL_REQUESTED, "cancelling"), (EventType.CANCELLED, "cancelled")):
            async with shop.sessions.begin() as session:
                await order_log.advance(session, order, event)
            async with asyncio.timeout(10):
                assert f'"to":"{status}"' in await anext(told)
        assert await anext(told) == 'data: {"reason":"order_over"}'


async def test_a_large_body_is_refused_as_the_service_would(client: httpx2.AsyncClient, settings: Settings) -> None:
    content = b" " * (settings.max_body_bytes + 1)
    answer = await client.post("/v1/carts", content=content, headers={"Content-Type": "application/json"})
    problem(answer, 413, "payload_too_large")


async def test_clients_are_counted_by_their_own_addresses(gateway: Gateway) -> None:
    """The gateway tells whom it was asked by; what a client says about that is forgotten."""

    async def left(address: str, number: int) -> int:
        transport = httpx2.AsyncHTTPTransport(local_address=address)
        async with httpx2.AsyncClient(base_url=gateway.url, transport=transport) as client:
            answer = await client.get("/v1/products", headers={"X-Forwarded-For": f"198.51.100.{number}"})
        return int(answer.headers["ratelimit"].partition("r=")[2].partition(";")[0])

    first = [await left("127.0.0.2", number) for number in range(3)]
    assert first == [first[0], first[0] - 1, first[0] - 2]
    assert await left("127.0.0.3", 0) == first[0]


async def test_a_process_that_dies_is_passed_over_and_a_service_without_any_is_unavailable(
    settings: Settings, tmp_path: Path
) -> None:
    with running_gateway(environment_of(settings), tmp_path, {"carts": 2, DOCUMENT: 1}) as gateway:
        first, second = gateway.processes["carts"]
        async with httpx2.AsyncClient(base_url=gateway.url, trust_env=False, verify=False, timeout=30) as client:
            first.process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(ended, first)
            answers = [await client.post("/v1/carts") for _ in range(20)]
            assert {answer.status_code for answer in answers} == {201}

            second.process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(ended, second)
            refused = await client.post("/v1/carts?reference=secret")
            assert problem(refused, 503, "temporarily_unavailable")["instance"] == "/v1/carts"
            assert refused.headers["retry-after"] == "1"
            assert (await client.get("/v1/products")).status_code == 200


async def test_a_process_that_is_back_serves_although_it_has_answered_nothing_yet(tmp_path: Path) -> None:
    """As in a rolling restart: the first is back and busy with its first request when the second one goes."""
    back, going, port = free_port(), free_port(), free_port()
    asked, over = asyncio.Event(), asyncio.Event()

    async def busy_at_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not asked.is_set():
            asked.set()
            await over.wait()
        await answer_well(reader, writer)

    async with AsyncExitStack() as stack:
        second = await stack.enter_async_context(await asyncio.start_server(answer_well, "127.0.0.1", going))
        await asyncio.to_thread(stack.enter_context, running_nginx(port, {DOCUMENT: [back, going]}, tmp_path))
        client = await stack.enter_async_context(
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, verify=False, timeout=30)
        )
        assert {(await client.get("/v1/products")).status_code for _ in range(8)} == {200}
        await stack.enter_async_context(await asyncio.start_server(busy_at_first, "127.0.0.1", back))
        held = asyncio.create_task(_ask_until(asked, client))
        await asked.wait()
        second.close()
        assert [(await client.post("/v1/products")).status_code for _ in range(8)] == [200] * 8
        over.set()
        assert set(await held) == {200}


async def _ask_until(told: asyncio.Event, client: httpx2.AsyncClient) -> list[int]:
    statuses = []
    while not told.is_set():
        statuses.append((await client.get("/v1/products")).status_code)
    return statuses


def test_a_post_is_never_sent_twice() -> None:
    assert "non_idempotent" not in render()
    assert "proxy_next_upstream error timeout;" in render()
