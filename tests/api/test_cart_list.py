"""Staff find carts that were left: by status, and by since when nobody has touched them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text

from db import idle_carts
from db.idle_carts import CartSearch
from domain.roles import Role
from models.carts import CartStatus
from tests.api.answers import body, locations, problem
from tests.api.buyer import Buyer, ready_buyer
from tests.support.people import People
from tests.support.shop import Shop

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
"""Before every cart of other tests."""


async def left(client: httpx2.AsyncClient, shop: Shop, moment: datetime) -> Buyer:
    """Leave a cart with one line at a moment."""
    buyer = await ready_buyer(client, shop)
    await touched(shop, buyer, moment)
    return buyer


async def touched(shop: Shop, buyer: Buyer, moment: datetime) -> None:
    await shop.run("UPDATE carts SET updated_at = :moment WHERE id = :id", moment=moment, id=buyer.cart_id)


async def listed(staff: httpx2.AsyncClient, **query: Any) -> dict[str, Any]:
    return body(await staff.get("/v1/carts", params=query))


def ids(page: dict[str, Any]) -> list[str]:
    return [cart["id"] for cart in page["items"]]


def of(buyers: Sequence[Buyer]) -> list[str]:
    return [str(buyer.cart_id) for buyer in buyers]


@pytest.fixture
async def moment(shop: Shop) -> datetime:
    """A moment before every cart that there is."""
    [(earliest,)] = await shop.run("SELECT least(min(updated_at), :long_ago) FROM carts", long_ago=LONG_AGO)
    assert isinstance(earliest, datetime)
    return earliest - timedelta(days=1)


async def test_carts_that_were_left_are_found_the_latest_first_with_their_contact_and_no_secret(
    guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop, moment: datetime
) -> None:
    older = await left(guest, shop, moment - timedelta(minutes=2))
    newer = await left(guest, shop, moment - timedelta(minutes=1))
    await left(guest, shop, moment)
    page = await listed(staff, status="open", idle_since=moment.isoformat())

    assert (ids(page), page["next_cursor"]) == (of([newer, older]), None)
    found = page["items"][0]
    assert datetime.fromisoformat(found.pop("created_at")) > moment
    assert datetime.fromisoformat(found.pop("updated_at")) == moment - timedelta(minutes=1)
    assert found == {
        "id": str(newer.cart_id),
        "status": "open",
        "currency": "GBP",
        "customer_id": None,
        "reference": None,
        "email": "ada@example.com",
        "lines": 1,
    }


@pytest.mark.parametrize("status", ["frozen", "ordered", "expired"])
async def test_carts_of_another_status_are_found_by_it(
    guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop, moment: datetime, status: str
) -> None:
    buyer = await left(guest, shop, moment - timedelta(minutes=1))
    await buyer.cart_is(status)
    since = moment.isoformat()
    assert ids(await listed(staff, status=status, idle_since=since)) == of([buyer])
    assert ids(await listed(staff, idle_since=since)) == []


async def test_pages_hold_together_while_carts_are_touched(
    guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop, moment: datetime
) -> None:
    same = moment - timedelta(hours=1)
    carts = sorted(of([await left(guest, shop, same) for _ in range(5)]), reverse=True)
    first = await listed(staff, idle_since=moment.isoformat(), limit=2)
    assert ids(first) == carts[:2]

    await shop.run("UPDATE carts SET updated_at = now() WHERE id = :id", id=UUID(carts[3]))
    second = await listed(staff, idle_since=moment.isoformat(), limit=2, cursor=first["next_cursor"])
    assert (ids(second), second["next_cursor"]) == ([carts[2], carts[4]], None)


async def test_a_moment_without_a_zone_is_in_utc(
    guest: httpx2.AsyncClient, staff: httpx2.AsyncClient, shop: Shop, moment: datetime
) -> None:
    buyer = await left(guest, shop, moment - timedelta(seconds=1))
    naive = moment.astimezone(UTC).replace(tzinfo=None)
    assert ids(await listed(staff, idle_since=naive.isoformat())) == of([buyer])
    assert ids(await listed(staff, idle_since=(naive - timedelta(seconds=1)).isoformat())) == []


@pytest.mark.parametrize(
    "query",
    [
        {"status": "abandoned"},
        {"status": "open' OR '1'='1"},
        {"idle_since": "yesterday"},
        {"limit": 0},
        {"limit": 101},
        {"cursor": "nonsense"},
        {"cursor": "WzEsMl0"},
    ],
)
async def test_a_question_that_is_none_is_refused(staff: httpx2.AsyncClient, query: dict[str, Any]) -> None:
    refused = problem(await staff.get("/v1/carts", params=query), 422, "validation_error")
    assert locations(refused) == [["query", next(iter(query))]]


async def test_only_who_may_see_any_cart_lists_them(guest: httpx2.AsyncClient, people: People, shop: Shop) -> None:
    buyer = await ready_buyer(guest, shop)
    problem(await guest.get("/v1/carts"), 401, "unauthenticated")
    problem(await guest.get("/v1/carts", headers=buyer.headers), 401, "unauthenticated")
    for role in (None, Role.CATALOG_MANAGER, Role.WAREHOUSE):
        person = await (people.staff(role) if role else people.customer())
        problem(await guest.get("/v1/carts", headers=person.headers), 403, "forbidden")
    clerk = await people.staff(Role.SUPPORT)
    assert body(await guest.get("/v1/carts", headers=clerk.headers, params={"limit": 1}))["items"] != []


async def test_a_page_deep_in_the_list_is_found_by_the_index(shop: Shop) -> None:
    await shop.run(
        "INSERT INTO carts (id, status, checkout_attempt, currency, updated_at) SELECT uuidv7(), 'frozen', 1, 'GBP',"
        " now() - interval '10 years' - make_interval(secs => n) FROM generate_series(1, 5000) AS n"
    )
    await shop.run("ANALYZE carts")
    try:
        after = (datetime.now(UTC) - timedelta(days=3_660), UUID(int=0))
        wanted = CartSearch(CartStatus.FROZEN, limit=21, idle_since=datetime.now(UTC), after=after)
        statement, values = idle_carts.search_statement(wanted)
        async with shop.sessions() as session:
            plan = (await session.execute(text(f"EXPLAIN {statement}"), values)).scalars().all()
        assert any("carts_by_status" in line for line in plan), plan
        assert not any("Seq Scan on carts" in line for line in plan), plan
    finally:
        await shop.run("DELETE FROM carts WHERE updated_at < now() - interval '10 years'")
