import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from temporalio.testing import ActivityEnvironment

from activities.idempotency import IdempotencyChores
from db import idempotency
from db.engine import single_statements
from tests.support.postgres import PostgresForTests
from tests.support.shop import Shop, opened_shop

_STORED = """
INSERT INTO idempotency_keys (owner, key, id, route, fingerprint, claim, locked_until, status, answer, created_at,
                              expires_at)
SELECT 'service', CAST(:stem AS text) || n, uuidv7(), 'POST /v1/carts', 'f', uuidv7(), now(), 201, '\\x00',
       now() - interval '1 day', now() + CAST(:due AS interval)
FROM generate_series(1, :number) AS n
"""


@pytest.fixture
async def shop(postgres: PostgresForTests) -> AsyncIterator[Shop]:
    async with opened_shop(postgres.migrated()) as shop:
        yield shop


async def keep(shop: Shop, stem: str, number: int, due: timedelta) -> None:
    await shop.run(_STORED, stem=stem, number=number, due=due)


async def expire(shop: Shop, at_once: int) -> int:
    chores = IdempotencyChores(shop.sessions, at_once)
    expired: int = await ActivityEnvironment().run(chores.expire)
    return expired


async def left(shop: Shop) -> list[tuple[object, ...]]:
    return await shop.run("SELECT left(key, 3), count(*) FROM idempotency_keys GROUP BY 1 ORDER BY 1")


async def test_keys_whose_day_is_over_are_forgotten_and_no_others(shop: Shop) -> None:
    await keep(shop, "old", 25, timedelta(seconds=-1))
    await keep(shop, "new", 10, timedelta(minutes=1))

    assert await expire(shop, 10) == 25
    assert await left(shop) == [("new", 10)]
    assert await expire(shop, 10) == 0


@pytest.mark.proof
async def test_a_million_keys_are_forgotten_in_statements_that_are_each_short(shop: Shop) -> None:
    for part in range(10):
        await keep(shop, f"old-{part}-", 100_000, timedelta(seconds=-1))
    await keep(shop, "new", 10, timedelta(hours=1))
    took: list[float] = []
    async with single_statements(shop.sessions)() as session:
        while True:
            began = time.monotonic()
            deleted = await idempotency.expire(session, most=5_000)
            took.append(time.monotonic() - began)
            if not deleted:
                break
    assert await left(shop) == [("new", 10)]
    assert len(took) == 201
    print(f"1,000,000 keys in {sum(took):.1f} s, the longest of 200 statements {max(took):.2f} s")  # noqa: T201 - it measures
    assert max(took) < 5
