"""What PostgreSQL plans for the steps of an order: once for each connection, not for each order."""

from collections.abc import AsyncIterator

import pytest

from db import stock
from providers.stripe import StripeProvider
from tests.support.postgres import PostgresForTests
from tests.support.sandbox import SandboxForTests
from tests.support.shop import opened_shop
from tests.support.steps import Steps

_TRIED_OUT = 5
"""How often PostgreSQL plans a statement for its values before it compares that with a plan for all."""


@pytest.fixture
async def lone(postgres: PostgresForTests, provider: StripeProvider, sandbox: SandboxForTests) -> AsyncIterator[Steps]:
    """Steps of one process that has a single connection."""
    async with opened_shop(postgres.migrated(), pool_size=1) as shop:
        yield Steps(shop, provider, sandbox)


async def test_neither_a_step_nor_what_a_cart_can_sell_is_planned_anew_for_each_order(lone: Steps) -> None:
    for _ in range(_TRIED_OUT + 2):
        await lone.placed()
        async with lone.shop.sessions.begin() as session:
            await stock.sellable(session, [lone.sku], "GB")

    planned_anew = await lone.shop.run(
        "SELECT statement FROM pg_prepared_statements WHERE generic_plans = 0 AND custom_plans > :tried",
        tried=_TRIED_OUT,
    )
    assert planned_anew == []
