"""People whom nothing keeps any more are forgotten, and what was left behind is begun: each chore over real tables."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest
from temporalio.testing import ActivityEnvironment

from activities import retention
from activities.retention import Retention
from activities.sweeps import Sweeps
from db import carts
from domain.errors import TemporarilyUnavailableError
from domain.order_ids import order_id
from models.columns import new_id
from tests.support.shop import Shop, opened_shop

MONTH = timedelta(days=30)
LONG = MONTH + timedelta(days=1)
PERSON = ("ada@example.com", "+441904123456", {"name": "Ada", "country": "GB"}, {"name": "Ada", "country": "GB"}, "d")
NOBODY = (None,) * 5


@pytest.fixture
async def shop(database: str) -> AsyncIterator[Shop]:
    """An empty shop: these chores go through whole tables."""
    async with opened_shop(database) as shop:
        await shop.run("TRUNCATE carts, users, notifications, erasures, orders CASCADE")
        yield shop


async def cart(shop: Shop, *, idle: timedelta = LONG, status: str = "open", owner: UUID | None = None) -> UUID:
    """Leave a cart with somebody's contact, addresses and secret."""
    id_ = new_id()
    await shop.run(
        "INSERT INTO carts (id, status, checkout_attempt, currency, customer_id, email, phone, token_digest,"
        " shipping_address, billing_address, updated_at) VALUES (:id, :status, 2, 'GBP', :owner, 'ada@example.com',"
        " '+441904123456', 'd', jsonb_build_object('name', 'Ada', 'country', 'GB'),"
        " jsonb_build_object('name', 'Ada', 'country', 'GB'), now() - CAST(:idle AS interval))",
        id=id_,
        status=status,
        owner=owner,
        idle=idle,
    )
    return id_


async def order(shop: Shop, cart: UUID, status: str) -> UUID:
    """Write an order as it came out of a cart."""
    id_ = order_id(cart, 1)
    await shop.run(
        "INSERT INTO orders (id, cart_id, checkout_attempt, status, payment_status, reason, needs_operator, currency,"
        " subtotal_amount, discount_amount, shipping_amount, tax_amount, total_amount, captured_amount,"
        " refunded_amount, payment_attempt, payment_method, email, phone, shipping_address, billing_address)"
        " SELECT :id, id, 1, CAST(:status AS text), 'none', CASE :status WHEN 'failed' THEN 'payment_expired' END,"
        " false, 'GBP', 1, 0, 0, 0, 1, 0, 0, 1, 'pm_card_visa', email, phone, shipping_address, billing_address"
        " FROM carts WHERE id = :cart",
        id=id_,
        status=status,
        cart=cart,
    )
    return id_


async def of_cart(shop: Shop, id_: UUID) -> tuple[object, tuple[object, ...]]:
    [row] = await shop.run(
        "SELECT status, email, phone, shipping_address, billing_address, token_digest FROM carts WHERE id = :id", id=id_
    )
    return row[0], row[1:]


async def of_order(shop: Shop, id_: UUID) -> tuple[object, ...]:
    [row] = await shop.run(
        "SELECT email, phone, shipping_address, billing_address, payment_method FROM orders WHERE id = :id", id=id_
    )
    return row


async def forget(shop: Shop) -> int:
    forgotten: int = await ActivityEnvironment().run(Retention(shop.sessions, carts=MONTH).forget_carts)
    return forgotten


async def test_a_guests_cart_that_nobody_touched_for_a_month_forgets_its_person(shop: Shop) -> None:
    left = [await cart(shop, status=status) for status in ("open", "expired")]
    recent = await cart(shop, idle=MONTH - timedelta(minutes=1))

    assert await forget(shop) == 2
    assert [await of_cart(shop, id_) for id_ in left] == [("expired", NOBODY)] * 2
    assert await of_cart(shop, recent) == ("open", PERSON)
    assert await forget(shop) == 0


async def test_carts_that_are_needed_keep_their_person(shop: Shop) -> None:
    [(owner,)] = await shop.run(
        "INSERT INTO users (id, email) VALUES (uuidv7(), 'ada@example.com') RETURNING id",
    )
    assert isinstance(owner, UUID)
    kept = [await cart(shop, status=status) for status in ("frozen", "ordered")] + [await cart(shop, owner=owner)]
    assert await forget(shop) == 0
    assert [await of_cart(shop, id_) for id_ in kept] == [(s, PERSON) for s in ("frozen", "ordered", "open")]


async def test_orders_that_failed_in_a_forgotten_cart_forget_the_person_and_others_do_not(shop: Shop) -> None:
    failed = await order(shop, await cart(shop), "failed")
    cancelled = await order(shop, await cart(shop), "cancelled")
    assert await forget(shop) == 2
    assert await of_order(shop, failed) == NOBODY
    assert await of_order(shop, cancelled) == (*PERSON[:4], "pm_card_visa")


async def test_more_carts_than_one_transaction_takes_are_all_looked_at(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_BATCH", 3)
    for n in range(10):
        await cart(shop, idle=LONG if n % 2 else timedelta(0))
    assert await forget(shop) == 5


async def test_a_cart_that_is_being_changed_is_left_for_the_next_day(shop: Shop) -> None:
    busy, other = await cart(shop), await cart(shop)
    async with shop.sessions.begin() as session:
        await carts.lock(session, busy)
        assert await forget(shop) == 1
        await carts.change(session, busy, {"phone": None})
    assert await of_cart(shop, other) == ("expired", NOBODY)
    assert await forget(shop) == 0
    assert (await of_cart(shop, busy))[0] == "open"


# What was left behind ---------------------------------------------------------------------------------------------


@dataclass
class Desk:
    """Begins workflows, as far as Temporal is there: `least` of them."""

    least: int = 1_000_000
    begun: list[UUID] = field(default_factory=list)

    async def begin(self, id_: UUID) -> None:
        if len(self.begun) >= self.least:
            raise TemporarilyUnavailableError("away")
        self.begun.append(id_)


def sweeps(shop: Shop, desk: Desk) -> Sweeps:
    return Sweeps(shop.sessions, messages=desk, erasures=desk)


async def sweep_erasures(shop: Shop, desk: Desk) -> int:
    begun: int = await ActivityEnvironment().run(sweeps(shop, desk).erasures)
    return begun


async def sweep_messages(shop: Shop, desk: Desk) -> int:
    begun: int = await ActivityEnvironment().run(sweeps(shop, desk).messages)
    return begun


async def closed(shop: Shop, number: int, sweep: str = "now()", completed: str = "NULL") -> set[UUID]:
    """Close accounts whose erasure is due at a moment."""
    rows = await shop.run(
        "WITH closed AS (INSERT INTO users (id, email) SELECT id, id || '@example.com'"
        " FROM (SELECT uuidv7() AS id FROM generate_series(1, :number)) AS drawn RETURNING id)"
        f" INSERT INTO erasures (user_id, sweep_at, completed_at) SELECT id, {sweep}, {completed} FROM closed"
        " RETURNING user_id",
        number=number,
    )
    return {UUID(str(id_)) for (id_,) in rows}


async def owed(shop: Shop, state: str = "pending", sweep: str = "now()", created: str = "now()") -> UUID:
    """Owe somebody a message about the account."""
    [(id_,)] = await shop.run(
        "WITH person AS (INSERT INTO users (id, email) SELECT id, id || '@example.com'"
        " FROM (SELECT uuidv7() AS id) AS drawn RETURNING id)"
        " INSERT INTO notifications (id, user_id, template, channel, n, state, message_id, attempts, sweep_at,"
        f" created_at) SELECT uuidv7(), id, 'password_changed', 'email', 1, :state, id || '@everorder', 0, {sweep},"
        f" {created} FROM person RETURNING id",
        state=state,
    )
    return UUID(str(id_))


async def test_every_erasure_that_was_left_behind_is_begun_once_in_a_while(shop: Shop) -> None:
    due = await closed(shop, 450)
    await closed(shop, 3, sweep="now() + interval '1 minute'")
    await closed(shop, 3, completed="now()")
    desk = Desk()

    assert await sweep_erasures(shop, desk) == 450
    assert (set(desk.begun), len(desk.begun)) == (due, 450)
    assert await sweep_erasures(shop, desk) == 0
    await shop.run("UPDATE erasures SET sweep_at = sweep_at - interval '15 minutes' WHERE completed_at IS NULL")
    assert await sweep_erasures(shop, Desk()) == 453


async def test_erasures_that_could_not_be_begun_are_begun_the_next_time(shop: Shop) -> None:
    due = await closed(shop, 5)
    away = Desk(least=2)
    with pytest.raises(TemporarilyUnavailableError):
        await sweep_erasures(shop, away)
    assert len(away.begun) == 2
    desk = Desk()
    assert await sweep_erasures(shop, desk) == 5
    assert set(desk.begun) == due


async def test_messages_that_were_left_behind_are_begun_and_others_are_not(shop: Shop) -> None:
    due = {await owed(shop), await owed(shop, "sending")}
    for state in ("sent", "refused", "dropped"):
        await owed(shop, state)
    await owed(shop, sweep="now() + interval '1 minute'")
    desk = Desk()
    assert await sweep_messages(shop, desk) == 2
    assert set(desk.begun) == due
    assert await sweep_messages(shop, desk) == 0


async def test_a_message_that_could_not_be_delivered_for_days_is_dropped_and_not_begun(shop: Shop) -> None:
    late = await owed(shop, created="now() - interval '3 days 1 minute'")
    just = await owed(shop, created="now() - interval '2 days 23 hours'")
    desk = Desk()
    assert await sweep_messages(shop, desk) == 1
    assert desk.begun == [just]
    assert await shop.run("SELECT state, code FROM notifications WHERE id = :id", id=late) == [("dropped", "too_late")]
