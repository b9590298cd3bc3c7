"""One PostgreSQL and one sandbox for the tests of all steps; each test has goods, carts and orders of its own."""

from collections.abc import AsyncIterator, Iterator

import pytest

from providers.stripe import StripeProvider
from tests.support.postgres import PostgresForTests
from tests.support.sandbox import SECRET_KEY, SandboxForTests, installation, running_sandbox
from tests.support.shop import Shop, opened_shop
from tests.support.steps import Steps


@pytest.fixture(scope="session")
def sandbox(postgres: PostgresForTests) -> Iterator[SandboxForTests]:
    with running_sandbox(postgres.url("sandbox_of_steps")) as server:
        yield server


@pytest.fixture(scope="session")
async def shop(postgres: PostgresForTests) -> AsyncIterator[Shop]:
    async with opened_shop(postgres.migrated(), pool_size=20) as shop:
        yield shop


@pytest.fixture(scope="session")
async def provider(sandbox: SandboxForTests) -> AsyncIterator[StripeProvider]:
    provider = StripeProvider(SECRET_KEY, sandbox.url, installation=installation)
    yield provider
    await provider.close()


@pytest.fixture
async def steps(shop: Shop, provider: StripeProvider, sandbox: SandboxForTests) -> AsyncIterator[Steps]:
    yield Steps(shop, provider, sandbox)
    await sandbox.behave()
