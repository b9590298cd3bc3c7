import json
from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from settings import Settings
from tests.api.answers import problem
from tests.api.wire import sent, served
from tests.support.shop import Shop


@pytest.fixture(scope="module")
async def address(app: FastAPI) -> AsyncIterator[tuple[str, int]]:
    async with served(app) as address:
        yield address


@pytest.fixture(scope="module")
async def client(address: tuple[str, int]) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=f"http://{address[0]}:{address[1]}", trust_env=False) as client:
        yield client


async def test_a_body_that_says_it_is_too_large_is_refused(client: httpx2.AsyncClient, shop: Shop) -> None:
    before = await shop.contents()
    ten_megabytes = b'{"currency": "' + b"x" * 10_000_000 + b'"}'
    for path in ("/v1/carts", "/healthz", "/nowhere"):
        answer = await client.post(path, content=ten_megabytes, headers={"Content-Type": "application/json"})
        problem(answer, 413, "payload_too_large")
    assert await shop.contents() == before


async def test_a_body_that_grows_too_large_is_refused(client: httpx2.AsyncClient, shop: Shop) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"currency": "'
        for _ in range(100):
            yield b"x" * 100_000

    before = await shop.contents()
    answer = await client.post("/v1/carts", content=chunks(), headers={"Content-Type": "application/json"})
    problem(answer, 413, "payload_too_large")
    assert await shop.contents() == before


async def test_a_body_as_large_as_is_allowed_is_read(client: httpx2.AsyncClient, settings: Settings) -> None:
    spaces = b" " * (settings.max_body_bytes - 2)
    for content in (b"{" + spaces + b"}", None):
        answer = await client.post("/v1/carts", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 201


async def test_a_length_that_is_no_number_is_refused(address: tuple[str, int]) -> None:
    head = b"POST /v1/carts HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: -1\r\n\r\n"
    assert b"201 Created" not in await sent(address, head)


async def test_a_request_keeps_its_id_when_it_is_harmless(client: httpx2.AsyncClient) -> None:
    kept = await client.get("/healthz", headers={"X-Request-ID": "abc-1.2_3"})
    assert kept.headers.get_list("x-request-id") == ["abc-1.2_3"]
    for harmful in ("a b", "x" * 129, "<script>", ""):
        answer = await client.get("/healthz", headers={"X-Request-ID": harmful})
        assert len(answer.headers["x-request-id"]) == 32


async def test_every_request_without_an_id_gets_its_own(client: httpx2.AsyncClient) -> None:
    ids = {(await client.get("/healthz")).headers["x-request-id"] for _ in range(10)}
    assert len(ids) == 10


async def test_what_http_does_not_know_is_a_problem_document(client: httpx2.AsyncClient) -> None:
    problem(await client.get("/nowhere"), 404, "not_found")
    problem(await client.get("/v1/carts/"), 404, "not_found")
    not_allowed = await client.delete("/v1/carts")
    problem(not_allowed, 405, "method_not_allowed")
    assert not_allowed.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"{", "application/json"),
        (b'{"currency": }', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"currency": ' * 50_000, "application/json"),
        (b"\xff\xfe", "application/json"),
        (b'{"currency": ' + b"9" * 10_000 + b"}", "application/json"),
        (b'{"currency": NaN}', "application/json"),
        (b'"text"', "application/json"),
        (b"currency=GBP", "application/x-www-form-urlencoded"),
        (b'{"currency": "GBP"}', "text/plain"),
        (b'{"currency": "GBP"}', ""),
        (b'{"\\ud800": 1}', "application/json"),
    ],
    ids=["cut", "hole", "deep", "nested", "bytes", "digits", "nan", "text", "form", "plain", "untyped", "surrogate"],
)
async def test_a_body_that_is_no_json_object_is_refused(
    client: httpx2.AsyncClient, shop: Shop, content: bytes, content_type: str
) -> None:
    before = await shop.contents()
    headers = {"Content-Type": content_type} if content_type else {}
    refused = problem(await client.post("/v1/carts", content=content, headers=headers), 422, "validation_error")
    assert refused["errors"]
    says_json = any("application/json" in error["msg"] for error in refused["errors"])
    assert says_json is (content_type != "application/json")
    assert await shop.contents() == before


async def test_a_problem_says_where_but_never_repeats_what_was_sent(client: httpx2.AsyncClient) -> None:
    secret = "4242424242424242"
    for wanted in ({"currency": secret}, {"reference": {"a": secret}}, {"currency": [secret]}):
        answer = await client.post("/v1/carts", json=wanted)
        problem(answer, 422, "validation_error")
        assert secret not in answer.text
    answer = await client.patch(f"/v1/carts/{secret}", json={})
    assert secret not in json.dumps(answer.json()["errors"])


async def test_a_problem_lists_twenty_errors_at_most(client: httpx2.AsyncClient) -> None:
    wanted = {"x" * 1000 + str(number): 1 for number in range(500)}
    refused = problem(await client.post("/v1/carts", json=wanted), 422, "validation_error")
    assert len(refused["errors"]) == 20
    assert {len(error["loc"][1]) for error in refused["errors"]} == {100}
