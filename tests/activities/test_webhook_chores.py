"""What was reported and left lying is handed over, and what was handled long ago is forgotten."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from temporalio.testing import ActivityEnvironment

from activities.webhooks import GRACE, PATIENCE, RETENTION, WebhookChores
from clients.payment_events import PaymentEventDesk
from contracts.orders import PaymentEvent
from db import webhooks
from db.engine import create_engine
from domain.errors import TemporarilyUnavailableError
from domain.payment_events import PaymentEventType, ProviderEvent
from models.webhooks import WebhookReason, WebhookState
from tests.api.orders_double import OrdersDouble
from tests.support.postgres import PostgresForTests
from tests.support.shop import Shop

HOLD = timedelta(minutes=30)


class Post:
    """A database of events of its own, with orders that a test says are running."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.orders = OrdersDouble()
        self.chores = WebhookChores(shop.sessions, PaymentEventDesk(shop.sessions, self.orders, HOLD))

    async def received(self, order_id: UUID | None, *, ago: timedelta) -> str:
        """Store an event that nobody has handed over."""
        event = ProviderEvent(
            "stripe",
            f"evt_{uuid4().hex}",
            "payment_intent.succeeded",
            datetime.now(UTC),
            PaymentEventType.CAPTURED,
            f"pi_{uuid4().hex}",
            order_id,
        )
        async with self.shop.sessions.begin() as session:
            await webhooks.record(session, event)
        await self.shop.run(
            "UPDATE webhook_events SET received_at = now() - CAST(:ago AS interval) WHERE event_id = :id",
            ago=ago,
            id=event.event_id,
        )
        return event.event_id

    async def state(self, event_id: str) -> object:
        rows = await self.shop.run("SELECT state FROM webhook_events WHERE event_id = :id", id=event_id)
        return rows[0][0] if rows else None

    async def sweep(self) -> int:
        swept: int = await ActivityEnvironment().run(self.chores.sweep)
        return swept

    async def forget(self) -> int:
        forgotten: int = await ActivityEnvironment().run(self.chores.forget)
        return forgotten


@pytest.fixture
async def post(postgres: PostgresForTests) -> AsyncIterator[Post]:
    engine = create_engine(postgres.migrated())
    yield Post(Shop(engine))
    await engine.dispose()


async def test_what_was_left_is_handed_over_once_and_what_is_under_way_is_left_alone(post: Post) -> None:
    order_id = uuid4()
    post.orders.alive.add(order_id)
    left, fresh = await post.received(order_id, ago=2 * GRACE), await post.received(order_id, ago=GRACE / 2)

    assert (await post.sweep(), await post.sweep()) == (1, 0)

    assert (await post.state(left), await post.state(fresh)) == ("delivered", "received")
    [(told, event)] = post.orders.told
    assert isinstance(event, PaymentEvent)
    assert (told, event.event_id) == (order_id, left)


async def test_while_temporal_is_away_events_stay_and_the_next_rounds_go_on(post: Post) -> None:
    order_id = uuid4()
    post.orders.alive.add(order_id)
    left = await post.received(order_id, ago=2 * GRACE)
    post.orders.is_reachable = False
    with pytest.raises(TemporarilyUnavailableError):
        await post.sweep()
    assert await post.state(left) == "received"

    post.orders.is_reachable = True
    await post.shop.run("UPDATE webhook_events SET looked_at = looked_at - interval '1 hour'")
    assert await post.sweep() == 1

    assert await post.state(left) == "delivered"


async def test_an_event_of_an_unknown_order_is_looked_at_again_and_ignored_in_the_end(post: Post) -> None:
    order_id = uuid4()
    known, never = await post.received(order_id, ago=2 * GRACE), await post.received(None, ago=2 * GRACE)
    assert await post.sweep() == 0
    assert [await post.state(one) for one in (known, never)] == ["parked", "parked"]

    post.orders.alive.add(order_id)
    assert await post.sweep() == 0, "it waits for as long as it has waited"
    await post.shop.run(
        "UPDATE webhook_events SET received_at = now() - CAST(:ago AS interval), looked_at = now() - interval '4 days'",
        ago=PATIENCE + timedelta(minutes=1),
    )
    assert await post.sweep() == 1

    assert [await post.state(one) for one in (known, never)] == ["delivered", "ignored"]


async def test_a_parked_event_is_known_once_its_step_is_over_and_told_when_it_is_not(post: Post) -> None:
    [[cart]] = await post.shop.run(
        "INSERT INTO carts (id, currency, token_digest, status, checkout_attempt, promotion_codes)"
        " VALUES (gen_random_uuid(), 'GBP', 'x', 'frozen', 1, '{}') RETURNING id"
    )
    over, stuck = UUID(str(cart)), uuid4()
    post.orders.alive |= {over, stuck}
    known, news = await post.received(over, ago=2 * GRACE), await post.received(stuck, ago=2 * GRACE)
    await post.shop.run("UPDATE webhook_events SET state = 'parked', reason = 'under_way', looked_at = received_at")
    await post.shop.run(
        "INSERT INTO orders (id, cart_id, checkout_attempt, status, payment_status, currency, subtotal_amount,"
        " discount_amount, shipping_amount, tax_amount, total_amount, captured_amount, refunded_amount,"
        " payment_attempt) VALUES (:id, :id, 1, 'placed', 'captured', 'GBP', 2000, 0, 0, 0, 2000, 2000, 0, 1)",
        id=over,
    )
    await post.shop.run(
        "INSERT INTO payment_operations (key, order_id, operation, attempt, n, amount, currency, provider, state,"
        " provider_reference)"
        " SELECT 'key', order_id, 'capture', 1, 1, 2000, 'GBP', provider, 'succeeded', reference"
        " FROM webhook_events WHERE event_id = :id",
        id=known,
    )

    assert await post.sweep() == 1

    rows = await post.shop.run("SELECT event_id, state, reason FROM webhook_events")
    assert {row[0]: row[1:] for row in rows} == {known: ("ignored", "known"), news: ("delivered", None)}
    assert [order for order, _ in post.orders.told] == [stuck]


async def test_handled_events_are_forgotten_after_their_time_and_others_never(post: Post) -> None:
    old = RETENTION + timedelta(minutes=1)
    handled, young, left = [await post.received(uuid4(), ago=ago) for ago in (old, RETENTION - GRACE, old)]
    await post.shop.run(
        "UPDATE webhook_events SET state = :state, reason = :reason WHERE event_id <> :left",
        state=WebhookState.IGNORED,
        reason=WebhookReason.ORDER_OVER,
        left=left,
    )

    assert (await post.forget(), await post.forget()) == (1, 0)

    assert [await post.state(one) for one in (handled, young, left)] == [None, "ignored", "received"]
