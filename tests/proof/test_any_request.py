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

NOT_OURS = {
    # What fits the document may still be refused: a country that is none, a SKU that is not sold, the cursor of another
    # list, a link that was used, a key that was used for something else, a version that nobody named (428).
    "positive_data_acceptance",
}

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


def validate(case: "schemathesis.Case[Any]", answer: "schemathesis.Response") -> None:
    """Make every check that can be made of a single answer."""
    unfit = NOT_OURS | ({"not_a_server_error"} if answer.status_code in UNAVAILABLE else set())
    every: list[Any] = schemathesis.checks.CHECKS.get_all()
    case.validate_response(answer, checks=[check for check in every if check.__name__ not in unfit])


@pytest.mark.parametrize("caller", CALLERS)
def test_any_request_of_anybody_is_answered_as_documented(
    address: str, caller: str, headers: Mapping[str, str]
) -> None:
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    asked = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)

        @examples
        @given(case=found.ok().as_strategy())
        def answered_as_documented(case: "schemathesis.Case[Any]") -> None:
            nonlocal asked
            asked += 1
            answer = case.call(headers=dict(headers))
            validate(case, answer)

        answered_as_documented()
    assert asked > 100


@pytest.mark.parametrize("caller", ["customer", "admin"])
def test_what_one_answer_names_may_be_asked_for_next(address: str, caller: str, headers: Mapping[str, str]) -> None:
    """Walk from answer to answer: what was made is shown, changed and removed by the id that it was given.

    It is one long walk, since a shop does not forget between two.
    """
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")

    class Walk(schema.as_state_machine()):  # type: ignore[misc]  # made by the library at run time
        def get_call_kwargs(self, case: "schemathesis.Case[Any]") -> dict[str, Any]:
            return {"headers": dict(headers)}

        def validate_response(
            self, response: "schemathesis.Response", case: "schemathesis.Case[Any]", **_: Any
        ) -> None:
            validate(case, response)

    Walk.run(settings=hypothesis_settings(examples, max_examples=1, stateful_step_count=250))
