"""Carts that nobody came back to: they end, and no others do."""

import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from temporalio.testing import ActivityEnvironment

from activities.carts import CartChores
from activities.retention import Retention
from db import carts, idle_carts
from db.engine import single_statements
from models.columns import new_id
from tests.support.shop import Shop, opened_shop

MONTH = timedelta(days=30)
_CARTS = """
INSERT INTO carts (id, status, checkout_attempt, currency, created_at, updated_at)
SELECT uuidv7(), :status, 1, 'GBP', now() - CAST(:idle AS interval), now() - CAST(:idle AS interval)
FROM generate_series(1, :number)
"""


@pytest.fixture
async def shop(database: str) -> AsyncIterator[Shop]:
    """A shop without carts: these chores go through the whole table."""
    async with opened_shop(database) as shop:
        await shop.run("TRUNCATE carts CASCADE")
        yield shop


async def left(shop: Shop, status: str, number: int, idle: timedelta) -> None:
    await shop.run(_CARTS, status=status, number=number, idle=idle)


async def one(shop: Shop, idle: timedelta) -> UUID:
    """Leave one open cart of a guest, with an e-mail."""
    cart = new_id()
    await shop.run(
        "INSERT INTO carts (id, status, checkout_attempt, currency, email, token_digest, updated_at)"
        " VALUES (:id, 'open', 1, 'GBP', 'ada@example.com', 'digest', now() - CAST(:idle AS interval))",
        id=cart,
        idle=idle,
    )
    return cart


async def expire(shop: Shop, at_once: int = 1_000) -> int:
    expired: int = await ActivityEnvironment().run(CartChores(shop.sessions, kept=MONTH, at_once=at_once).expire)
    return expired


async def counts(shop: Shop) -> dict[object, object]:
    return {row[0]: row[1] for row in await shop.run("SELECT status, count(*) FROM carts GROUP BY 1")}


async def test_open_carts_that_nobody_touched_for_a_month_expire_and_no_others(shop: Shop) -> None:
    for status in ("open", "frozen", "ordered"):
        await left(shop, status, 25, MONTH + timedelta(seconds=1))
    await left(shop, "open", 10, MONTH - timedelta(minutes=1))

    assert await expire(shop, at_once=10) == 25
    assert await counts(shop) == {"open": 10, "expired": 25, "frozen": 25, "ordered": 25}
    assert await expire(shop, at_once=10) == 0


async def test_a_cart_that_is_being_changed_is_left_alone_and_lives_on(shop: Shop) -> None:
    cart = await one(shop, MONTH * 2)
    async with shop.sessions.begin() as session:
        await carts.lock(session, cart)
        assert await expire(shop) == 0
        await carts.change(session, cart, {"email": "eve@example.com"})
    assert await expire(shop) == 0
    assert await counts(shop) == {"open": 1}


async def test_what_is_kept_of_the_person_of_an_expired_cart_is_counted_from_its_last_touch(shop: Shop) -> None:
    cart = await one(shop, MONTH + timedelta(days=1))
    assert await expire(shop) == 1
    assert await shop.run("SELECT status, email FROM carts WHERE id = :id", id=cart) == [("expired", "ada@example.com")]

    assert await ActivityEnvironment().run(Retention(shop.sessions, carts=MONTH * 2).forget_carts) == 0
    assert await ActivityEnvironment().run(Retention(shop.sessions, carts=MONTH).forget_carts) == 1
    assert await shop.run("SELECT email, token_digest FROM carts WHERE id = :id", id=cart) == [(None, None)]


async def test_among_many_carts_those_that_expire_are_found_by_an_index(shop: Shop) -> None:
    await left(shop, "ordered", 5_000, MONTH * 2)
    await left(shop, "open", 5_000, timedelta(days=1))
    await left(shop, "open", 5, MONTH * 2)
    await shop.run("ANALYZE carts")
    async with shop.sessions.begin() as session:
        explained = (
            await session.execute(text(f"EXPLAIN (FORMAT JSON) {idle_carts.EXPIRE}"), {"kept": MONTH, "most": 1_000})
        ).scalar_one()
    assert "carts_by_status" in {node.get("Index Name") for node in nodes(explained[0]["Plan"])}
    assert all(node["Node Type"] != "Seq Scan" for node in nodes(explained[0]["Plan"])), json.dumps(explained)
    assert await expire(shop) == 5


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", []) for node in nodes(part))]


@pytest.mark.proof
async def test_of_a_million_carts_those_that_are_left_expire_in_statements_that_are_each_short(shop: Shop) -> None:
    await left(shop, "ordered", 600_000, MONTH * 2)
    await left(shop, "open", 200_000, timedelta(days=1))
    await left(shop, "open", 200_000, MONTH * 2)
    await shop.run("ANALYZE carts")
    took: list[float] = []
    async with single_statements(shop.sessions)() as session:
        while True:
            began = time.monotonic()
            ended = await idle_carts.expire(session, kept=MONTH, most=1_000)
            took.append(time.monotonic() - began)
            if not ended:
                break
    assert len(took) == 201
    assert await counts(shop) == {"open": 200_000, "ordered": 600_000, "expired": 200_000}
    print(f"200,000 of 1,000,000 carts in {sum(took):.1f} s, the longest of 200 statements {max(took):.2f} s")  # noqa: T201 - it measures
    assert max(took) < 5
