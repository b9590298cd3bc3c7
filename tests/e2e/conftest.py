"""One whole stack for the tests that need every process, started when the first of them asks for it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.shopper import Shopper, shopping
from tests.support.stack import RunningStack, running_stack
from tests.support.world import World


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with running_stack(tmp_path_factory.mktemp("everorder") / "data") as stack:
        yield stack


@pytest.fixture(scope="session")
async def world(stack: RunningStack) -> AsyncIterator[World]:
    async with stack.world() as world:
        yield world


@pytest.fixture(scope="session")
async def shopper(stack: RunningStack) -> AsyncIterator[Shopper]:
    async with shopping(stack.api_url) as shopper:
        yield shopper
