"""Whatever anybody sends, as each role and as nobody: an answer that the OpenAPI document knows, and never a 500."""

import socket
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from schemathesis.core.result import Ok
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from api.deps import Resources
from db.engine import create_engine, create_sessions
from domain.roles import Role
from settings import Settings
from tests.api.orders_double import OrdersDouble
from tests.support.people import People
from tests.support.postgres import PostgresForTests

pytestmark = [pytest.mark.proof, pytest.mark.timeout(600)]

SERVICE_TOKEN = "service-token-of-the-proof"
CALLERS = (
    "nobody",
    "customer",
    *(role.value for role in (Role.SUPPORT, Role.CATALOG_MANAGER, Role.WAREHOUSE)),
    "admin",
)
UNAVAILABLE = {503}
"""Temporal is a double that answers nothing, so an order that is asked for something is unavailable."""

examples = hypothesis_settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def settings(postgres: PostgresForTests) -> Settings:
    return Settings.model_validate(
        {
            "DATABASE_URL": postgres.migrated(),
            "service_token": SERVICE_TOKEN,
            "rate_limit_scale": 0,
            "login_tries_address": 1_000_000,
            "_env_file": None,
        }
    )


@pytest.fixture(scope="module")
def address(settings: Settings) -> Iterator[str]:
    """Serve the API in a thread and a loop of its own, since the requests are sent by blocking code."""

    @asynccontextmanager
    async def opens(settings: Settings) -> AsyncIterator[Resources]:
        engine = create_engine(settings.database_url)
        yield Resources(settings, engine, OrdersDouble())
        await engine.dispose()

    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(settings, services="", opens=opens)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, log_config=None))
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    serving.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    serving.join()
    listener.close()


@pytest.fixture(scope="module")
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings.database_url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def headers(caller: str, settings: Settings, engine: AsyncEngine) -> Mapping[str, str]:
    people = People(create_sessions(engine), settings)
    match caller:
        case "nobody":
            return {}
        case "customer":
            return (await people.customer()).headers
        case _:
            return (await people.staff(Role(caller))).headers


@pytest.mark.parametrize("caller", CALLERS)
def test_any_request_of_anybody_is_answered_as_documented(
    address: str, caller: str, headers: Mapping[str, str]
) -> None:
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    checks = [
        schemathesis.checks.not_a_server_error,
        schemathesis.checks.status_code_conformance,
        schemathesis.checks.content_type_conformance,
        schemathesis.checks.response_schema_conformance,
        schemathesis.checks.response_headers_conformance,
    ]
    asked = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)

        @examples
        @given(case=found.ok().as_strategy())
        def answered_as_documented(case: "schemathesis.Case[Any]") -> None:
            nonlocal asked
            asked += 1
            answer = case.call(headers=dict(headers))
            ran = [check for check in checks if answer.status_code not in UNAVAILABLE or check is not checks[0]]
            case.validate_response(answer, checks=ran)

        answered_as_documented()
    assert asked > 100
