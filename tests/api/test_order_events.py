"""Orders that somebody follows, over real connections: nothing is missed, told twice, or kept open for nobody."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from api.app import create_app
from api.deps import Resources
from api.order_events import feed, stream, tickets
from db import order_events, order_log
from db.engine import create_engine
from db.order_events import AT_ONCE, PlacedEvent
from domain.order_states import EventType
from settings import Settings
from tests.api.answers import body, problem
from tests.api.buyer import Buyer, ready_buyer
from tests.api.orders_double import OrdersDouble
from tests.api.wire import served
from tests.support.following import SOON, Reader, Told
from tests.support.postgres import PostgresForTests
from tests.support.shop import Shop, opened_shop


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look more often than once a second, so that tests wait less."""
    monkeypatch.setattr(feed, "INTERVAL", 0.05)
    monkeypatch.setattr(feed, "_LEAST", 0.01)
    monkeypatch.setattr(stream, "HEARTBEAT", 0.1)


@dataclass
class Place:
    """An API that is served over HTTP."""

    app: FastAPI
    client: httpx2.AsyncClient

    @property
    def resources(self) -> Resources:
        resources: Resources = self.app.state.resources
        return resources

    @asynccontextmanager
    async def follows(self, order: UUID, headers: Mapping[str, str], query: str = "") -> AsyncIterator[Reader]:
        async with self.client.stream("GET", f"/v1/orders/{order}/events{query}", headers=headers) as answer:
            assert answer.status_code == 200, await answer.aread()
            yield Reader(answer)

    async def followers(self, number: int) -> None:
        """Wait until so many follow orders here."""
        async with asyncio.timeout(SOON):
            while len(self.resources.feed) != number:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)


@asynccontextmanager
async def place(settings: Settings, double: OrdersDouble, *, pool: int = 2, **changed: Any) -> AsyncIterator[Place]:
    """Serve an API of its own, with two connections to PostgreSQL."""

    @asynccontextmanager
    async def opens(settings: Settings) -> AsyncIterator[Resources]:
        engine = create_engine(settings.database_url, pool_size=pool)
        yield Resources(settings, engine, double)
        await engine.dispose()

    app = create_app(settings.model_copy(update={"event_stream_seconds": 30, **changed}), services="", opens=opens)
    async with app.router.lifespan_context(app), served(app) as (host, port):
        limits = httpx2.Limits(max_connections=500)
        async with httpx2.AsyncClient(
            base_url=f"http://{host}:{port}", trust_env=False, timeout=SOON, limits=limits
        ) as client:
            yield Place(app, client)


@pytest.fixture
async def here(settings: Settings, orders: OrdersDouble) -> AsyncIterator[Place]:
    async with place(settings, orders) as here:
        yield here


async def pending(client: httpx2.AsyncClient, shop: Shop) -> tuple[Buyer, UUID]:
    buyer = await ready_buyer(client, shop)
    order = await buyer.has_order("pending")
    await shop.run(
        "INSERT INTO order_events (order_id, type, to_status, actor) VALUES (:order, 'opened', 'pending', 'buyer')",
        order=order,
    )
    return buyer, order


async def happens(shop: Shop, order: UUID, *events: EventType) -> None:
    for event in events:
        async with shop.sessions.begin() as session:
            await order_log.advance(session, order, event)


async def noted(shop: Shop, order: UUID, times: int) -> None:
    async with shop.sessions.begin() as session:
        for _ in range(times):
            await order_log.annotate(session, order, EventType.OPERATOR_NEEDED, actor="system", reason=None)


async def test_what_has_happened_and_what_happens_is_told_until_the_order_is_over(here: Place, shop: Shop) -> None:
    buyer, order = await pending(here.client, shop)
    async with here.follows(order, buyer.headers) as reader:
        assert reader.answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert reader.answer.headers["cache-control"] == "no-store"
        assert reader.answer.headers["x-accel-buffering"] == "no"
        opened = await reader.next()
        assert set(opened.data) == {"at", "type", "from", "to", "actor", "reason"}
        assert (opened.data["type"], opened.data["from"], opened.data["to"]) == ("opened", None, "pending")
        await happens(shop, order, EventType.CANCEL_REQUESTED)
        assert (await reader.next()).data["to"] == "cancelling"
        await happens(shop, order, EventType.CANCELLED)
        last = await reader.next()
        assert (last.data["from"], last.data["to"], last.data["actor"]) == ("cancelling", "cancelled", "system")
        assert await reader.next() == Told(None, "end", {"reason": "order_over"})
        assert await reader.ends()
    await here.followers(0)


async def test_whoever_comes_back_misses_nothing_and_is_told_nothing_twice(
    here: Place, shop: Shop, settings: Settings, orders: OrdersDouble
) -> None:
    """At another process, as after a restart."""
    buyer, order = await pending(here.client, shop)
    async with here.follows(order, buyer.headers) as reader:
        first = await reader.next()
    await happens(shop, order, EventType.CANCEL_REQUESTED)
    async with (
        place(settings, orders) as there,
        there.follows(order, {**buyer.headers, "Last-Event-ID": str(first.id)}) as reader,
    ):
        second = await reader.next()
        assert second.data["to"] == "cancelling"
        await happens(shop, order, EventType.CANCELLED)
        third = await reader.next()
    assert first.id is not None
    assert second.id is not None
    assert third.id is not None
    assert first.id < second.id < third.id
    over = await here.client.get(
        f"/v1/orders/{order}/events", headers={**buyer.headers, "Last-Event-ID": str(third.id)}
    )
    assert (over.status_code, over.content) == (204, b"")
    again = await here.client.get(
        f"/v1/orders/{order}/events", headers={**buyer.headers, "Last-Event-ID": str(second.id)}
    )
    assert f"id: {third.id}\n" in again.text
    assert f"id: {second.id}\n" not in again.text


async def test_a_ticket_opens_one_order_for_five_minutes_to_who_shows_nothing_else(here: Place, shop: Shop) -> None:
    buyer, order = await pending(here.client, shop)
    other, others = await pending(here.client, shop)
    made = body(await here.client.post(f"/v1/orders/{order}/event-ticket", headers=buyer.headers), 201)
    assert made["expires_in"] == 300
    async with here.follows(order, {}, f"?ticket={made['ticket']}") as reader:
        assert (await reader.next()).data["type"] == "opened"
    path = f"/v1/orders/{order}/events"
    changed = made["ticket"][:-1] + ("0" if made["ticket"][-1] != "0" else "1")
    expires, _, signature = made["ticket"].partition(".")
    for ticket in (changed, f"{int(expires) + 9}.{signature}", "", ".", "nonsense", f"²{made['ticket']}"):
        problem(await here.client.get(path, params={"ticket": ticket}), 401, "unauthenticated")
    refused = await here.client.get(f"/v1/orders/{others}/events", params={"ticket": made["ticket"]})
    problem(refused, 401, "unauthenticated")
    problem(await here.client.get(path), 404, "not_found")
    problem(await here.client.get(path, headers=other.headers), 404, "not_found")
    problem(await here.client.post(f"/v1/orders/{order}/event-ticket", headers=other.headers), 404, "not_found")
    problem(await here.client.get(path, headers={**buyer.headers, "Last-Event-ID": "-1"}), 422, "validation_error")
    await here.followers(0)


async def test_a_new_ticket_goes_on_where_the_last_one_ended(here: Place, shop: Shop) -> None:
    buyer, order = await pending(here.client, shop)
    path = f"/v1/orders/{order}"
    async with here.follows(order, buyer.headers) as reader:
        first = await reader.next()
    await happens(shop, order, EventType.CANCEL_REQUESTED, EventType.CANCELLED)
    made = body(await here.client.post(f"{path}/event-ticket", headers=buyer.headers), 201)
    query = f"?ticket={made['ticket']}&last_event_id={first.id}"
    async with here.follows(order, {}, query) as reader:
        second = await reader.next()
        assert second.data["to"] == "cancelling"
    async with here.follows(order, {"Last-Event-ID": str(second.id)}, query) as reader:
        assert (await reader.next()).data["to"] == "cancelled", "the header is newer than the address"
    problem(await here.client.get(f"{path}/events{query}9223372036854775808"), 422, "validation_error")


async def test_a_stream_ends_with_its_ticket(here: Place, shop: Shop, settings: Settings) -> None:
    _, order = await pending(here.client, shop)
    now = time.time()
    late = tickets.issue(order, secret=settings.secret, now=now - tickets.LIFETIME + 2)
    ended = tickets.issue(order, secret=settings.secret, now=now - tickets.LIFETIME)
    async with here.follows(order, {}, f"?ticket={late}") as reader:
        assert (await reader.next()).data["type"] == "opened"
        assert await reader.next() == Told(None, "end", {"reason": "come_back"})
        assert reader.comments > 0
        assert await reader.ends()
    for ticket in (late, ended):
        assert (await here.client.get(f"/v1/orders/{order}/events?ticket={ticket}")).status_code == 401


async def test_a_process_that_is_full_says_so_and_has_room_again_when_a_client_is_gone(
    settings: Settings, orders: OrdersDouble, shop: Shop
) -> None:
    async with place(settings, orders, event_streams=1) as here:
        buyer, order = await pending(here.client, shop)
        async with here.follows(order, buyer.headers):
            refused = await here.client.get(f"/v1/orders/{order}/events", headers=buyer.headers)
            problem(refused, 503, "temporarily_unavailable")
            assert int(refused.headers["retry-after"]) > 0
        await here.followers(0)
        async with here.follows(order, buyer.headers) as reader:
            assert (await reader.next()).data["type"] == "opened"


async def test_one_caller_does_not_take_every_place(here: Place, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_MOST_OF_A_CALLER", 2)
    buyer, order = await pending(here.client, shop)
    path = f"/v1/orders/{order}/events"
    async with here.follows(order, buyer.headers), here.follows(order, buyer.headers):
        refused = await here.client.get(path, headers=buyer.headers)
        problem(refused, 429, "rate_limited")
        assert refused.headers["retry-after"] == "5"
        token = {"Authorization": f"Bearer {here.resources.settings.service_token}"}
        async with here.follows(order, token) as reader:
            assert (await reader.next()).data["type"] == "opened"


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[set[UUID]]:
    """Note of which orders each statement asks."""
    looks: list[set[UUID]] = []
    look = order_events.after

    async def looking(session: AsyncSession, positions: Mapping[UUID, int]) -> Sequence[PlacedEvent]:
        looks.append(set(positions))
        return await look(session, positions)

    monkeypatch.setattr(order_events, "after", looking)
    return looks


async def test_many_who_follow_share_one_statement_and_hold_no_connection(
    here: Place, shop: Shop, looks: list[set[UUID]]
) -> None:
    """Forty streams, and two connections."""
    known = [await pending(here.client, shop) for _ in range(5)]

    async def follow(buyer: Buyer, order: UUID) -> list[str]:
        async with here.follows(order, buyer.headers) as reader:
            return [(await reader.next()).data["to"] for _ in range(3)]

    following = [asyncio.create_task(follow(*one)) for one in known * 8]
    await here.followers(40)
    pool: Any = here.resources.engine.pool
    async with asyncio.timeout(SOON):
        while pool.checkedout():  # noqa: ASYNC110 - a look that is being taken
            await asyncio.sleep(0.001)
    before = len(looks)
    for _, order in known:
        await happens(shop, order, EventType.CANCEL_REQUESTED, EventType.CANCELLED)
    assert await asyncio.gather(*following) == [["pending", "cancelling", "cancelled"]] * 40
    assert max(map(len, looks)) <= 5
    assert len(looks) - before < 40
    await here.followers(0)
    done = len(looks)
    await asyncio.sleep(0.2)
    assert len(looks) <= done + 1, "nobody follows, and it still looks"


async def test_who_comes_or_goes_has_nobody_look_for_the_others(
    here: Place, shop: Shop, looks: list[set[UUID]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "INTERVAL", 60.0)
    (buyer, order), *others = [await pending(here.client, shop) for _ in range(4)]
    async with here.follows(order, buyer.headers) as reader:
        await reader.next()
        for other, others_order in others:
            async with here.follows(others_order, other.headers) as passing:
                assert (await passing.next()).data["type"] == "opened"
            await here.followers(1)
        await asyncio.sleep(0.1)
    assert looks == [{order}, *({others_order} for _, others_order in others)]


async def test_a_slow_reader_is_handed_one_batch_and_nobody_else_waits_for_it(here: Place, shop: Shop) -> None:
    buyer, order = await pending(here.client, shop)
    await noted(shop, order, 2 * AT_ONCE)
    async with here.resources.feed.watching(order, 0, None) as slow, here.follows(order, buyer.headers) as reader:
        told = [await reader.next() for _ in range(2 * AT_ONCE + 1)]
        assert not slow.waits
        taken: list[int] = []
        while len(taken) < len(told):
            batch = await slow.take(SOON)
            assert 0 < len(batch) <= AT_ONCE
            taken += [event.id for event in batch]
    assert taken == [event.id for event in told] == sorted(set(taken))


async def test_a_database_that_is_away_is_waited_for(
    settings: Settings, orders: OrdersDouble, postgres: PostgresForTests
) -> None:
    url = postgres.migrated()
    async with opened_shop(url) as shop, place(settings, orders, database_url=url) as here:
        buyer, order = await pending(here.client, shop)
        async with here.follows(order, buyer.headers) as reader:
            assert (await reader.next()).data["type"] == "opened"
            with postgres.away(url), capture_logs() as logs:
                async with asyncio.timeout(SOON):
                    while not logs:  # noqa: ASYNC110 - the next look tells
                        await asyncio.sleep(0.01)
                await asyncio.sleep(0.3)
            await happens(shop, order, EventType.CANCEL_REQUESTED)
            assert (await reader.next()).data["to"] == "cancelling"
    warned = [one["event"] for one in logs if one["log_level"] == "warning"]
    assert warned == ["order_events_unavailable"], "once for as long as it is away"
    assert "request_id" not in logs[0], "it looks for all, and for no request"


async def test_head_is_answered_at_once_and_follows_nothing(here: Place, shop: Shop) -> None:
    buyer, order = await pending(here.client, shop)
    head = await here.client.head(f"/v1/orders/{order}/events", headers=buyer.headers)
    assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert head.content == b""
    await here.followers(0)


async def test_a_process_that_stops_sends_everybody_on(here: Place, shop: Shop) -> None:
    buyer, order = await pending(here.client, shop)
    async with here.follows(order, buyer.headers) as reader:
        await reader.next()
        here.resources.drain()
        assert await reader.next() == Told(None, "end", {"reason": "come_back"})
        assert await reader.ends()
    refused = await here.client.get(f"/v1/orders/{order}/events", headers=buyer.headers)
    problem(refused, 503, "temporarily_unavailable")


async def test_an_order_that_was_only_just_accepted_can_be_followed(
    here: Place, shop: Shop, orders: OrdersDouble
) -> None:
    buyer = await ready_buyer(here.client, shop)
    order = buyer.order_id()
    problem(await here.client.get(f"/v1/orders/{order}/events", headers=buyer.headers), 404, "not_found")
    orders.accepted[order] = buyer.cart_id
    async with here.follows(order, buyer.headers) as reader:
        await buyer.has_order("pending")
        await noted(shop, order, 1)
        assert (await reader.next()).data["to"] == "pending"
    problem(await here.client.post(f"/v1/orders/{uuid4()}/event-ticket", headers=buyer.headers), 404, "not_found")


async def test_events_of_an_order_are_numbered_as_they_are_committed(here: Place, shop: Shop) -> None:
    """Else whoever has read the later one would never be told of the other."""
    _, order = await pending(here.client, shop)
    async with shop.sessions.begin() as session:
        await order_log.annotate(session, order, EventType.OPERATOR_NEEDED, actor="system", reason="first")
        second = asyncio.create_task(happens(shop, order, EventType.CANCEL_REQUESTED))
        third = asyncio.create_task(noted(shop, order, 1))
        await asyncio.sleep(0.2)
        assert not second.done()
        assert not third.done()
    await asyncio.gather(second, third)
    rows = await shop.run("SELECT reason FROM order_events WHERE order_id = :order ORDER BY id", order=order)
    assert [reason for (reason,) in rows][:2] == [None, "first"]


async def test_streams_are_counted(here: Place, shop: Shop) -> None:
    buyer, order = await pending(here.client, shop)
    async with here.follows(order, buyer.headers) as reader:
        await reader.next()
        assert "\neverorder_event_streams 1.0\n" in (await here.client.get("/metrics")).text
    await here.followers(0)
    assert "\neverorder_event_streams 0.0\n" in (await here.client.get("/metrics")).text
