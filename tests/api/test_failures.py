"""What an answer is when something behind the API fails."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from structlog.testing import capture_logs

from api.app import create_app
from api.deps import Read, Resources, Write
from db.engine import create_engine
from domain.errors import ConflictError
from settings import Settings
from tests.api.answers import body, problem
from tests.api.orders_double import OrdersDouble
from tests.support.shop import Shop

ADA = "ada@example.com"


@asynccontextmanager
async def broken_shop(settings: Settings, database_url: str | None = None) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve the API with routes that fail, on this database or on one that is not there."""

    @asynccontextmanager
    async def opens(settings: Settings) -> AsyncIterator[Resources]:
        engine = create_engine(database_url or settings.database_url, pool_size=1)
        yield Resources(settings, engine, OrdersDouble())
        await engine.dispose()

    app = create_app(settings, services="", opens=opens)
    add_failing_routes(app)
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://shop.example") as client,
    ):
        yield client


def add_failing_routes(app: FastAPI) -> None:
    @app.post("/late-refusal", status_code=201)
    async def late_refusal(session: Write) -> dict[str, str]:
        await session.execute(text("CREATE TABLE IF NOT EXISTS late (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
        await session.execute(text("INSERT INTO late VALUES (1), (1)"))
        return {"email": ADA}

    @app.post("/own-refusal")
    async def own_refusal(session: Write) -> None:
        await session.execute(text("INSERT INTO locations (code, name) VALUES ('gone', 'Gone')"))
        raise ConflictError("not like this")

    @app.post("/unexpected")
    async def unexpected(session: Write) -> None:
        await session.execute(text("INSERT INTO locations (code, name) VALUES ('gone', 'Gone')"))
        raise RuntimeError(f"{ADA} is not expected")

    @app.post("/killed")
    async def killed(session: Write) -> None:
        await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    @app.post("/broken-as-it-was-taken")
    async def broken_as_it_was_taken() -> None:
        raise asyncpg.InternalClientError(f"cannot switch to state 11 for {ADA}; another operation (2) is in progress")

    @app.post("/raises/{name}")
    async def raises(name: str, session: Write) -> None:
        code = {"deadlock": "40P01", "statement-timeout": "57014", "lock-timeout": "55P03", "full-disk": "53100"}[name]
        await session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION '{ADA}' USING ERRCODE = '{code}'; END $$"))

    @app.post("/syntax")
    async def syntax(session: Write) -> None:
        await session.execute(text(f"SELECT '{ADA}' FROM nowhere"))

    @app.post("/null-byte")
    async def null_byte(session: Write) -> None:
        await session.execute(text("SELECT CAST(:value AS text)"), {"value": "\x00"})

    @app.get("/writes-while-reading")
    async def writes_while_reading(session: Read) -> None:
        await session.execute(text("DELETE FROM carts"))

    @app.post("/number-too-large")
    async def number_too_large(session: Write) -> None:
        await session.execute(text("SELECT CAST(:value AS bigint)"), {"value": 10**30})


async def test_an_answer_never_claims_what_could_not_be_committed(settings: Settings) -> None:
    async with broken_shop(settings) as client:
        answer = await client.post("/late-refusal")
    problem(answer, 409, "conflict")
    assert ADA not in answer.text


async def test_the_late_refusal_really_comes_with_the_commit(shop: Shop) -> None:
    async with shop.sessions() as session:
        await session.execute(text("CREATE TABLE late2 (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)"))
        await session.execute(text("INSERT INTO late2 VALUES (1), (1)"))
        with pytest.raises(IntegrityError):
            await session.commit()


@pytest.mark.parametrize(
    ("path", "status", "code"), [("own-refusal", 409, "conflict"), ("unexpected", 500, "internal_error")]
)
async def test_a_request_that_fails_leaves_nothing_behind(
    settings: Settings, shop: Shop, path: str, status: int, code: str
) -> None:
    before = await shop.contents()
    async with broken_shop(settings) as client:
        problem(await client.post(f"/{path}"), status, code)
    assert await shop.contents() == before


async def test_an_unexpected_error_is_logged_without_what_it_said(settings: Settings) -> None:
    async with broken_shop(settings) as client:
        with capture_logs() as logs:
            answer = await client.post("/unexpected", headers={"X-Request-ID": "r-1"})
    assert ADA not in answer.text
    assert ADA not in str(logs)
    [entry] = [log for log in logs if log["event"] == "request_failed"]
    assert entry["error"] == "RuntimeError"
    assert entry["trace"][-1].endswith(" in unexpected")


@pytest.mark.parametrize(
    "failure",
    [
        "killed",
        "broken-as-it-was-taken",
        "raises/deadlock",
        "raises/statement-timeout",
        "raises/lock-timeout",
        "raises/full-disk",
    ],
)
async def test_a_database_that_is_in_trouble_may_be_asked_again(settings: Settings, failure: str) -> None:
    async with broken_shop(settings) as client:
        answer = await client.post(f"/{failure}")
        problem(answer, 503, "temporarily_unavailable")
        assert answer.headers["retry-after"] == "1"
        assert ADA not in answer.text
        body(await client.post("/v1/carts"), 201)


async def test_a_database_that_is_away_is_a_problem_and_the_process_lives(settings: Settings) -> None:
    async with broken_shop(settings, "postgresql://nobody@127.0.0.1:1/nothing") as client:
        for answer in (await client.get("/v1/products"), await client.post("/v1/carts")):
            problem(answer, 503, "temporarily_unavailable")
            assert answer.headers["retry-after"] == "1"
        assert (await client.get("/healthz")).json() == {"status": "ok"}


async def test_a_database_that_is_not_there_is_a_problem(settings: Settings) -> None:
    missing = settings.database_url.replace("/test_", "/no_such_")
    async with broken_shop(settings, missing) as client:
        problem(await client.get("/v1/products"), 500, "internal_error")


async def test_a_pool_that_is_busy_is_a_problem(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async with broken_shop(settings) as client:
        engine = client._transport.app.state.resources.engine  # type: ignore[attr-defined]
        monkeypatch.setattr(engine.sync_engine.pool, "_timeout", 0.1)
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            problem(await client.get("/v1/products"), 503, "temporarily_unavailable")


async def test_a_statement_that_is_wrong_is_our_fault_and_not_told(settings: Settings) -> None:
    async with broken_shop(settings) as client:
        with capture_logs() as logs:
            answer = await client.post("/syntax")
    problem(answer, 500, "internal_error")
    assert ADA not in answer.text + str(logs)


@pytest.mark.parametrize("value", ["null-byte", "number-too-large"])
async def test_a_value_that_can_not_be_stored_is_refused(settings: Settings, value: str) -> None:
    async with broken_shop(settings) as client:
        problem(await client.post(f"/{value}"), 422, "validation_error")


async def test_a_read_can_not_write(settings: Settings, shop: Shop) -> None:
    before = await shop.contents()
    async with broken_shop(settings) as client:
        problem(await client.get("/writes-while-reading"), 500, "internal_error")
    assert await shop.contents() == before
