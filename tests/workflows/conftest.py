"""One PostgreSQL, one Temporal and one sandbox for all workflow tests; each test has goods and carts of its own."""

from collections.abc import AsyncIterator, Iterator

import pytest
from temporalio.testing import WorkflowEnvironment

from tests.support.postgres import PostgresForTests
from tests.support.sandbox import SECRET_KEY, SandboxForTests, running_sandbox
from tests.support.shop import Shop, opened_shop
from tests.support.temporal import plain_client, running_temporal
from tests.support.world import World, open_world


@pytest.fixture(scope="session")
async def temporal() -> AsyncIterator[WorkflowEnvironment]:
    async with running_temporal() as environment:
        yield environment


@pytest.fixture(scope="session")
def sandbox(postgres: PostgresForTests) -> Iterator[SandboxForTests]:
    with running_sandbox(postgres.url("sandbox_of_workflows")) as server:
        yield server


@pytest.fixture(scope="session")
async def shop(postgres: PostgresForTests) -> AsyncIterator[Shop]:
    async with opened_shop(postgres.migrated(), pool_size=20) as shop:
        yield shop


@pytest.fixture
async def world(shop: Shop, temporal: WorkflowEnvironment, sandbox: SandboxForTests) -> AsyncIterator[World]:
    async with open_world(shop, await plain_client(temporal), sandbox.url, SECRET_KEY) as world:
        yield world


@pytest.fixture
async def hasty_world(shop: Shop, temporal: WorkflowEnvironment, sandbox: SandboxForTests) -> AsyncIterator[World]:
    """A world in which a workflow that only waits for a timer waits no longer."""
    async with open_world(shop, temporal.client, sandbox.url, SECRET_KEY) as world:
        yield world
