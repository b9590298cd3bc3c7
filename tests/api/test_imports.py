"""Uploads of product files. That they are imported is for `tests/workflows`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from api.app import create_app
from api.deps import Resources
from api.middleware.body_limit import UPLOADS, BodyLimit
from db.imports import files, staging
from domain.merchandise import ImportState, Refusal
from settings import Settings
from tests.api.answers import body, locations, problem
from tests.api.conftest import SERVICE_TOKEN
from tests.api.orders_double import OrdersDouble
from tests.support.shop import Shop
from tests.support.shopify import content, plain

FILE = content(*(plain(number) for number in range(20_000, 20_003)))
CSV = {"Content-Type": "text/csv"}


at_rest = pytest.mark.in_process("behind the gateway an upload is imported at once")


async def upload(staff: httpx2.AsyncClient, data: bytes = FILE, **params: str) -> httpx2.Response:
    return await staff.post(UPLOADS, content=data, headers=CSV, params=params)


async def kept(shop: Shop, import_id: object) -> bytes:
    rows = await shop.run("SELECT content FROM import_chunks WHERE import_id = :id ORDER BY n", id=import_id)
    return b"".join(row[0] for row in rows if isinstance(row[0], bytes))


@at_rest
async def test_an_upload_is_kept_and_told_where_it_can_be_looked_at(staff: httpx2.AsyncClient, shop: Shop) -> None:
    answer = await upload(staff, currency="EUR", skip_refused="true")
    shown = body(answer, 202)
    assert answer.headers["Location"] == f"/v1/imports/{shown['id']}"
    assert {name: value for name, value in shown.items() if name not in {"id", "created_at"}} == {
        "state": "queued",
        "currency": "EUR",
        "location": "main",
        "skip_refused": True,
        "size_bytes": len(FILE),
        "read_bytes": 0,
        "products": 0,
        "refused": 0,
        "applied": 0,
        "ignored_columns": [],
        "outcome": None,
        "ended_at": None,
    }
    assert body(await staff.get(answer.headers["Location"])) == shown
    assert await kept(shop, shown["id"]) == FILE


async def test_a_large_upload_arrives_in_pieces_and_is_the_same(staff: httpx2.AsyncClient, shop: Shop) -> None:
    data = FILE * 8_000

    async def sent() -> AsyncIterator[bytes]:
        for begin in range(0, len(data), 100_001):
            yield data[begin : begin + 100_001]

    answer = await staff.post(UPLOADS, content=sent(), headers=CSV)
    assert body(answer, 202)["size_bytes"] == len(data) > 3_000_000
    assert await kept(shop, body(answer, 202)["id"]) == data


@at_rest
async def test_the_file_of_a_form_is_the_same_as_a_body(staff: httpx2.AsyncClient, shop: Shop) -> None:
    data = FILE * 8_000
    answer = await staff.post(UPLOADS, files={"file": ("products.csv", data, "text/csv")}, params={"currency": "EUR"})
    assert (body(answer, 202)["size_bytes"], body(answer, 202)["currency"]) == (len(data), "EUR")
    assert await kept(shop, body(answer, 202)["id"]) == data


FORM = {"Content-Type": "multipart/form-data; boundary=cut"}
LEFT_OPEN = pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")  # by Starlette, of a part without end
PART = b'--cut\r\nContent-Disposition: form-data; name="%s"; filename="x.csv"\r\n\r\nHandle\r\n'


@pytest.mark.parametrize(
    ("data", "loc"),
    [
        (PART % b"other" + b"--cut--\r\n", ["body", "file"]),
        (PART % b"file" + PART % b"file" + b"--cut--\r\n", ["body"]),
        (b"no form at all", ["body"]),
        (b"--cut--\r\n", ["body", "file"]),
        (b'--cut\r\nContent-Disposition: form-data; name="file"\r\n\r\nno file\r\n--cut--\r\n', ["body"]),
        pytest.param(PART % b"file", ["body", "file"], marks=LEFT_OPEN),
    ],
    ids=["another name", "two files", "no form", "nothing in it", "a field", "cut"],
)
async def test_a_form_without_just_one_file_is_refused_and_nothing_is_kept(
    staff: httpx2.AsyncClient, shop: Shop, data: bytes, loc: list[str]
) -> None:
    before = await shop.run("SELECT count(*) FROM imports")
    answer = await staff.post(UPLOADS, content=data, headers=FORM)
    assert locations(problem(answer, 422, "validation_error")) == [loc]
    assert await shop.run("SELECT count(*) FROM imports") == before


@at_rest
async def test_the_same_key_makes_one_import(staff: httpx2.AsyncClient, shop: Shop) -> None:
    headers = CSV | {"Idempotency-Key": str(uuid4())}
    first, again = [await staff.post(UPLOADS, content=FILE, headers=headers) for _ in range(2)]
    assert body(first, 202) == body(again, 202)
    assert await kept(shop, body(first, 202)["id"]) == FILE


@pytest.mark.parametrize(
    ("data", "headers", "params", "loc"),
    [
        (b"", CSV, {}, ["body"]),
        (FILE, {"Content-Type": "application/json"}, {}, ["header", "Content-Type"]),
        (FILE, {}, {}, ["header", "Content-Type"]),
        (FILE, CSV, {"currency": "ABC"}, ["query", "currency"]),
        (FILE, CSV, {"location": "moon"}, ["query", "location"]),
        (FILE, CSV, {"format": "excel"}, ["query", "format"]),
    ],
)
async def test_what_is_no_upload_is_refused_and_nothing_is_kept(
    *,
    staff: httpx2.AsyncClient,
    shop: Shop,
    data: bytes,
    headers: dict[str, str],
    params: dict[str, str],
    loc: list[str],
) -> None:
    before = await shop.run("SELECT count(*) FROM imports")
    answer = await staff.post(UPLOADS, content=data, headers=headers, params=params)
    assert locations(problem(answer, 422, "validation_error")) == [loc]
    assert await shop.run("SELECT count(*) FROM imports") == before


@at_rest
async def test_an_import_is_called_off_once_and_not_after_its_end(staff: httpx2.AsyncClient, shop: Shop) -> None:
    import_id = body(await upload(staff), 202)["id"]
    cancelled = body(await staff.post(f"/v1/imports/{import_id}/cancel"))
    assert cancelled["state"] == "cancelled"
    assert cancelled["ended_at"] is not None
    assert body(await staff.post(f"/v1/imports/{import_id}/cancel")) == cancelled
    await shop.run("UPDATE imports SET state = 'done' WHERE id = :id", id=import_id)
    problem(await staff.post(f"/v1/imports/{import_id}/cancel"), 409, "conflict")
    assert body(await staff.get(f"/v1/imports/{import_id}"))["state"] == "done"


@at_rest
async def test_refused_rows_are_listed_page_by_page(staff: httpx2.AsyncClient, shop: Shop) -> None:
    import_id = UUID(body(await upload(staff), 202)["id"])
    async with shop.sessions.begin() as session:
        await files.move(session, import_id, ImportState.QUEUED, to=ImportState.READING)
        await staging.refuse(session, import_id, [Refusal(line, "is wrong") for line in range(2, 7)])
        await staging.end(session, import_id, fatal=False)
    shown = body(await staff.get(f"/v1/imports/{import_id}"))
    assert (shown["state"], shown["refused"]) == ("refused", 5)
    lines: list[list[int]] = []
    params: dict[str, Any] = {"limit": "2"}
    for _ in range(3):
        page = body(await staff.get(f"/v1/imports/{import_id}/refusals", params=params))
        lines.append([row["line"] for row in page["items"]])
        params["cursor"] = page["next_cursor"]
    assert lines == [[2, 3], [4, 5], [6]]
    assert params["cursor"] is None


@pytest.mark.parametrize("path", ["", "/refusals"])
async def test_an_unknown_import_is_not_found(staff: httpx2.AsyncClient, path: str) -> None:
    problem(await staff.get(f"/v1/imports/{uuid4()}{path}"), 404, "not_found")


@pytest.mark.in_process("asks what the process hands over")
async def test_an_upload_is_begun_after_its_commit(
    app: FastAPI, staff: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, shop: Shop
) -> None:
    found: list[object] = []

    class Begins:
        async def begin(self, id_: UUID, /) -> None:
            found.extend(await shop.run("SELECT state FROM imports WHERE id = :id", id=id_))

    resources: Resources = app.state.resources
    monkeypatch.setattr(resources, "imports", Begins())
    await upload(staff)
    await resources.post.close()
    assert found == [("queued",)]


@pytest.mark.in_process("breaks off in the middle")
async def test_an_upload_that_breaks_off_leaves_nothing(app: FastAPI, shop: Shop) -> None:
    before = await shop.run("SELECT count(*) FROM imports")
    arriving: list[Message] = [
        {"type": "http.request", "body": b"x" * 300_000, "more_body": True},
        {"type": "http.disconnect"},
    ]
    statuses: list[int] = []

    async def receive() -> Message:
        return arriving.pop(0) if len(arriving) > 1 else arriving[0]

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(_scope(), receive, send)
    assert statuses == [422]
    assert await shop.run("SELECT count(*) FROM imports") == before


@pytest.mark.in_process("has a limit of its own")
async def test_an_upload_that_is_too_large_is_refused_and_nothing_is_kept(settings: Settings, shop: Shop) -> None:
    before = await shop.run("SELECT count(*) FROM imports")

    @asynccontextmanager
    async def opens(settings: Settings) -> AsyncIterator[Resources]:
        yield Resources(settings, shop.engine, OrdersDouble())

    async def sent() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 1_000

    app = create_app(settings.model_copy(update={"max_import_bytes": 5_000}), services="catalog", opens=opens)
    bearer = {"Authorization": f"Bearer {SERVICE_TOKEN}"}
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://shop.example") as client,
    ):
        for content in (b"x" * 5_001, sent()):
            answer = await client.post(UPLOADS, content=content, headers=CSV | bearer)
            problem(answer, 413, "payload_too_large")
    assert await shop.run("SELECT count(*) FROM imports") == before


def _scope() -> Scope:
    headers = [(b"content-type", b"text/csv"), (b"authorization", f"Bearer {SERVICE_TOKEN}".encode())]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": UPLOADS,
        "raw_path": UPLOADS.encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("shop.example", 80),
    }


async def test_only_uploads_may_be_larger_than_other_bodies() -> None:
    reached: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["path"])

    async def nothing(_: Message) -> None: ...

    limit = BodyLimit(app, max_bytes=100, max_file_bytes=200)
    for path in (UPLOADS, f"{UPLOADS}/", "/v1/carts"):
        for size in (b"100", b"200", b"201"):
            scope = {"type": "http", "path": path, "raw_path": path.encode(), "headers": [(b"content-length", size)]}
            await limit(scope, None, nothing)  # type: ignore[arg-type]
    assert reached == [UPLOADS, UPLOADS, f"{UPLOADS}/", "/v1/carts"]
