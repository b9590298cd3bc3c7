"""Whatever is asked: an answer that the OpenAPI document knows, and never a 500."""

import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import create_autospec

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from schemathesis.core.result import Ok

from api.app import create_app
from api.deps import Resources
from clients.chores import ChoreClient
from db.engine import create_engine
from settings import Settings
from tests.api.conftest import SERVICE_TOKEN
from tests.api.orders_double import OrdersDouble
from tests.support.postgres import PostgresForTests

CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
]
settled = hypothesis_settings(
    max_examples=15, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def address(settings: Settings, postgres: PostgresForTests) -> Iterator[str]:
    """Serve the API in a thread and a loop of its own, since the requests are sent by blocking code."""

    @asynccontextmanager
    async def opens(settings: Settings) -> AsyncIterator[Resources]:
        engine = create_engine(settings.database_url)
        yield Resources(settings, engine, OrdersDouble(), chores=create_autospec(ChoreClient, instance=True))
        await engine.dispose()

    own = settings.model_copy(update={"database_url": postgres.migrated()})
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(own, services="", opens=opens)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False))
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    serving.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    serving.join()
    listener.close()


def test_any_request_is_answered_as_documented(address: str) -> None:
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)

        @settled
        @given(case=found.ok().as_strategy())
        def answered_as_documented(case: "schemathesis.Case[Any]") -> None:
            case.call_and_validate(headers={"Authorization": f"Bearer {SERVICE_TOKEN}"}, checks=CHECKS)

        answered_as_documented()
