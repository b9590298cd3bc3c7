"""One sandbox a run, in good behaviour before each test, and a provider that speaks to it."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from providers.stripe import StripeProvider
from tests.support.postgres import PostgresForTests
from tests.support.sandbox import SECRET_KEY, SandboxForTests, installation, running_sandbox


@pytest.fixture(scope="session")
def sandbox_process(postgres: PostgresForTests) -> Iterator[SandboxForTests]:
    with running_sandbox(postgres.url("everorder_sandbox_providers")) as sandbox:
        yield sandbox


@pytest_asyncio.fixture
async def sandbox(sandbox_process: SandboxForTests) -> AsyncIterator[SandboxForTests]:
    yield sandbox_process
    await sandbox_process.behave()
    await sandbox_process.control("DELETE", "webhook_endpoints")


@pytest_asyncio.fixture
async def provider(sandbox: SandboxForTests) -> AsyncIterator[StripeProvider]:
    provider = StripeProvider(SECRET_KEY, sandbox.url, timeout=5, installation=installation)
    yield provider
    await provider.close()
