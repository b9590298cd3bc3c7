"""Every order and repetition of a provider's events, before, during and after the workflow's own step: one end each.

An event is a hint. Whatever events claim, and in which order, an order ends as its payment really stands.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from uuid import UUID, uuid4

import httpx2
import pytest

from api.app import create_app
from api.deps import Resources
from clients.orders import OrderClient
from contracts.orders import Pay, PlaceOrder, Refund, order_workflow_id
from db.engine import create_engine
from domain.errors import TemporarilyUnavailableError
from settings import Settings
from tests.support.lone_world import LoneWorld, lone_world
from tests.support.postgres import PostgresForTests
from tests.support.reconciling import require_every_penny
from tests.support.stripe_events import StripeEvent, signed
from tests.support.temporal import plain_client, running_temporal
from tests.support.world import WAIT, World

pytestmark = [pytest.mark.proof, pytest.mark.timeout(900)]

SECRET = "whsec_proof"
AUTHORISED, CAPTURED = "payment_intent.amount_capturable_updated", "payment_intent.succeeded"
FAILED, REFUNDED, DISPUTED = "payment_intent.payment_failed", "charge.refunded", "charge.dispute.created"
REFUND_MADE, REFUND_CHANGED = "refund.created", "refund.updated"
ACTION_REQUIRED, VOIDED = "payment_intent.requires_action", "payment_intent.canceled"
PERMUTATIONS = tuple(itertools.permutations((AUTHORISED, CAPTURED, FAILED, REFUNDED, DISPUTED)))
OF_REFUNDS = tuple(itertools.permutations((CAPTURED, REFUND_MADE, REFUND_CHANGED, REFUNDED)))
OF_DECLINES = tuple(itertools.permutations((FAILED, VOIDED, AUTHORISED, CAPTURED)))
OF_THE_BANK = tuple(itertools.permutations((ACTION_REQUIRED, AUTHORISED, FAILED, CAPTURED)))
ALL = slice(None)
COPIES = 2
AT_ONCE = 24


@pytest.fixture
async def lone(postgres: PostgresForTests) -> AsyncIterator[LoneWorld]:
    async with running_temporal() as environment, lone_world(postgres, await plain_client(environment)) as lone:
        yield lone


@pytest.fixture
async def provider(lone: LoneWorld) -> AsyncIterator[httpx2.AsyncClient]:
    """The connection over which events come."""

    @asynccontextmanager
    async def opens(settings: Settings) -> AsyncIterator[Resources]:
        engine = create_engine(settings.database_url)
        yield Resources(settings, engine, OrderClient(lone.world.temporal))
        await engine.dispose()

    known = {"DATABASE_URL": lone.database_url, "stripe_webhook_secret": SECRET, "_env_file": None}
    app = create_app(Settings.model_validate(known), services="payments", opens=opens)
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://shop.example") as client,
    ):
        yield client


async def send(provider: httpx2.AsyncClient, event: StripeEvent) -> int:
    """Send an event as a provider does: again, until it is taken. Return how often that was."""
    sent = 0
    while True:
        answer = await provider.post("/v1/webhooks/stripe", content=event.body, headers=signed(event.body, SECRET))
        sent += 1
        if answer.status_code == httpx2.codes.OK:
            return sent
        assert answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE  # Temporal has not answered in time


async def report(provider: httpx2.AsyncClient, order: PlaceOrder, kinds: Iterable[str], reference: str) -> int:
    """Send events one after the other, the copies of each at once; return how many requests that took."""
    sent = 0
    for kind in kinds:
        event = StripeEvent(kind, reference, order.order_id, amount=1000)
        sent += sum(await asyncio.gather(*(send(provider, event) for _ in range(COPIES))))
    return sent


async def report_all(
    provider: httpx2.AsyncClient,
    orders: dict[tuple[str, ...], PlaceOrder],
    part: slice,
    references: dict[PlaceOrder, str],
) -> int:
    few = asyncio.Semaphore(AT_ONCE)

    async def one(kinds: tuple[str, ...], order: PlaceOrder) -> int:
        async with few:
            return await report(provider, order, kinds[part], references.get(order, f"pi_{uuid4().hex}"))

    return sum(await asyncio.gather(*(one(kinds, order) for kinds, order in orders.items())))


async def surely(ask: Callable[[UUID], Awaitable[object]]) -> None:
    """Ask an order for something until it has taken it: the same request joins the one before."""
    request = uuid4()
    while True:
        try:
            await ask(request)
        except TemporarilyUnavailableError:
            continue
        return


async def heard(world: World, orders: Iterable[PlaceOrder]) -> None:
    """Wait until every workflow has done what its events have brought it to."""
    for order in orders:
        handle = world.temporal.get_workflow_handle(order_workflow_id(order.order_id))
        while True:
            known = (await handle.describe()).raw_description
            if not known.pending_activities and not known.HasField("pending_workflow_task"):
                break
            await asyncio.sleep(0.05)


async def refund(world: World, order: PlaceOrder, request: UUID) -> None:
    going_on = replace(order, payment_method=None)
    await world.client.refund(going_on, Refund(refund_id=request), wait=WAIT, request_id=request)


async def pay(world: World, order: PlaceOrder, request: UUID) -> None:
    await world.client.pay(order.order_id, Pay("pm_card_visa"), wait=WAIT, request_id=request)


Orders = dict[tuple[str, ...], PlaceOrder]


async def checked_out(
    world: World, permutations: Iterable[tuple[str, ...]] = PERMUTATIONS, card: str = "pm_card_visa"
) -> Orders:
    """Begin an order for each permutation, with no worker at work."""
    sku = await world.goods(stock=len(PERMUTATIONS))
    orders = {kinds: world.order_of(await world.cart((sku, 1)), card=card) for kinds in permutations}
    for order in orders.values():
        await world.client.resume(order)
    return orders


async def all_are(world: World, orders: Orders, status: str) -> None:
    count = "SELECT count(*) FROM orders WHERE status = :status"
    while await world.shop.run(count, status=status) != [(len(orders),)]:  # noqa: ASYNC110 - what is waited for is in the database
        await asyncio.sleep(0.1)


async def references_of(world: World, orders: Orders) -> dict[PlaceOrder, str]:
    """Look up the payment of each order's first attempt."""
    rows = await world.shop.run(
        "SELECT order_id, provider_reference FROM payment_operations WHERE operation = 'authorise' AND attempt = 1"
    )
    known = {str(order): str(reference) for order, reference in rows}
    return {order: known[str(order.order_id)] for order in orders.values()}


async def ends(world: World) -> Counter[tuple[object, ...]]:
    """Count what orders have come to: state, payment, flag, and the whole timeline."""
    rows = await world.shop.run("""
        SELECT o.status, o.payment_status, o.needs_operator, string_agg(e.type, ' ' ORDER BY e.id)
        FROM orders o JOIN order_events e ON e.order_id = o.id GROUP BY o.id
    """)
    return Counter(rows)


async def test_events_in_any_order_and_number_leave_a_paid_order_paid(
    lone: LoneWorld, provider: httpx2.AsyncClient
) -> None:
    world = lone.world
    orders = await checked_out(world)
    sent = await report_all(provider, orders, slice(0, 2), {})  # before the workflow's own step
    async with world.working():
        sent += await report_all(provider, orders, slice(2, 4), {})  # during it
        await all_are(world, orders, "placed")
        references = await references_of(world, orders)
        sent += await report_all(provider, orders, ALL, references)  # after it, all of them once more
        await heard(world, orders.values())

        assert await ends(world) == {("placed", "captured", False, "opened placed"): len(PERMUTATIONS)}
        [(events, copies)] = await world.shop.run("SELECT count(*), sum(copies) FROM webhook_events")
        assert events == 9 * len(PERMUTATIONS)
        assert 9 * COPIES * len(PERMUTATIONS) <= int(str(copies)) <= sent
        told = await world.shop.run("SELECT reason, count(*) FROM webhook_events GROUP BY state, reason ORDER BY 2")
        assert told == [("known", 3 * len(PERMUTATIONS)), (None, 6 * len(PERMUTATIONS))]
        await require_every_penny(world)


async def test_events_in_any_order_and_number_bring_a_disputed_payment_to_an_operator_once(
    lone: LoneWorld, provider: httpx2.AsyncClient
) -> None:
    world = lone.world
    orders = await checked_out(world)
    async with world.working():
        await all_are(world, orders, "placed")
        references = await references_of(world, orders)
        for reference in references.values():
            await lone.sandbox.control("POST", f"payment_intents/{reference}/dispute", {})
        await report_all(provider, orders, ALL, references)
        for order in orders.values():
            await world.needs_operator(order.order_id)
        await report_all(provider, orders, ALL, references)
        await heard(world, orders.values())

        assert set(await ends(world)) == {("placed", "disputed", True, "opened placed operator_needed")}
        assert sum((await ends(world)).values()) == len(PERMUTATIONS)


async def test_events_in_any_order_and_number_leave_a_refunded_order_refunded(
    lone: LoneWorld, provider: httpx2.AsyncClient
) -> None:
    world = lone.world
    orders = await checked_out(world, OF_REFUNDS)
    async with world.working():
        await all_are(world, orders, "placed")
        references = await references_of(world, orders)
        await report_all(provider, orders, ALL, references)  # before anything is given back
        refunds = [surely(partial(refund, world, one)) for one in references]
        await asyncio.gather(report_all(provider, orders, ALL, references), *refunds)  # while it is
        await report_all(provider, orders, ALL, references)  # and afterwards
        await heard(world, orders.values())

        assert await ends(world) == {("placed", "refunded", False, "opened placed refunded"): len(OF_REFUNDS)}
        await require_every_penny(world)


async def test_events_in_any_order_and_number_leave_a_declined_order_unpaid_until_it_is_paid(
    lone: LoneWorld, provider: httpx2.AsyncClient
) -> None:
    world = lone.world
    orders = await checked_out(world, OF_DECLINES, card="pm_card_chargeDeclined")
    async with world.working():
        await all_are(world, orders, "payment_required")
        references = await references_of(world, orders)
        await report_all(provider, orders, ALL, references)
        await heard(world, orders.values())
        unpaid = ("payment_required", "none", False, "opened payment_declined")
        assert await ends(world) == {unpaid: len(OF_DECLINES)}

        paying = [surely(partial(pay, world, one)) for one in references]
        await asyncio.gather(report_all(provider, orders, ALL, references), *paying)
        await all_are(world, orders, "placed")
        await report_all(provider, orders, ALL, references)
        await heard(world, orders.values())

        paid = ("placed", "captured", False, "opened payment_declined payment_retried placed")
        assert await ends(world) == {paid: len(OF_DECLINES)}
        await require_every_penny(world)


async def test_events_in_any_order_and_number_place_an_order_once_its_bank_is_satisfied_and_not_before(
    lone: LoneWorld, provider: httpx2.AsyncClient
) -> None:
    world = lone.world
    orders = await checked_out(world, OF_THE_BANK, card="pm_card_authenticationRequired")
    async with world.working():
        await all_are(world, orders, "payment_required")
        references = await references_of(world, orders)
        await report_all(provider, orders, ALL, references)
        await heard(world, orders.values())
        waiting = ("payment_required", "none", False, "opened payment_action_required")
        assert await ends(world) == {waiting: len(OF_THE_BANK)}

        for reference in references.values():
            await lone.sandbox.control("POST", f"payment_intents/{reference}/authenticate", {"passes": True})
        await report_all(provider, orders, slice(0, 1), references)  # whatever it says, it makes the order look
        await all_are(world, orders, "placed")
        await report_all(provider, orders, ALL, references)
        await heard(world, orders.values())

        placed = ("placed", "captured", False, "opened payment_action_required payment_answered placed")
        assert await ends(world) == {placed: len(OF_THE_BANK)}
        await require_every_penny(world)
