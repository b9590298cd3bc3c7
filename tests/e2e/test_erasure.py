"""A person with everything that can be kept of them, with every failure forced that quotes people, is erased: no trace.

The search is not told where to look: every column of every table, every history, memo and summary of every workflow,
every file of the local mailbox, and what was logged meanwhile.
"""

import asyncio
import mailbox
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from api.app import create_app
from api.deps import Resources
from cli.people.desk import PeopleDesk
from clients.erasures import ErasureClient
from clients.messages import MessageClient
from clients.orders import OrderClient
from contracts.erasures import erasure_workflow_id
from contracts.orders import OrderSnapshot, OrderStep, PlaceOrder
from contracts.queues import TaskQueue
from db.engine import create_engine
from domain.errors import OrdersOpenError
from domain.messages import AccountMessage, Email, MailRefusedError, MailUnavailableError
from domain.order_ids import order_id
from providers.maildir import LocalMailbox
from settings import Settings
from tests.api.answers import body, problem
from tests.support import traces
from tests.support.gates import Replacement
from tests.support.lone_world import LoneWorld, lone_world
from tests.support.postgres import PostgresForTests
from tests.support.temporal import plain_client, running_temporal
from tests.support.world import SECRET, KeptMail, World
from workers.wiring import WORK, QueueWork

EMAIL = "ada.byron@example.org"
ELSEWHERE = "ada.at.work@example.org"
PASSWORD = "difference-engine-at-dawn-1833"
PERSON = {
    "email": EMAIL,
    "phone": "+441483987654",
    "shipping_address": {
        "name": "Ada Byron-Lovelace",
        "line1": "12 Ockham Terrace",
        "city": "Horsley",
        "postal_code": "KT24 6DU",
        "country": "GB",
        "phone": "+441483987654",
    },
}
WORDS = (EMAIL, ELSEWHERE, "Byron", "Lovelace", "1483987654", "Ockham", "Horsley", "KT24")
DECLINED = {"payment_method": {"token": "pm_card_chargeDeclined"}}
VISA = {"payment_method": {"token": "pm_card_visa"}}


@dataclass
class LocalMail(KeptMail):
    """Keeps mails where the local mail server of a development stack keeps them."""

    folder: Path = field(default_factory=Path)

    async def send(self, email: Email) -> None:
        await super().send(email)
        message = mailbox.MaildirMessage(
            f"To: {email.recipient}\nSubject: {email.subject}\n\n{email.text}\n{email.html}"
        )
        mailbox.Maildir(self.folder).add(message)


@dataclass
class Scene:
    """Everything for real; `client` is whoever calls the API, `folder` the local mailbox."""

    lone: LoneWorld
    client: httpx2.AsyncClient
    environment: WorkflowEnvironment
    folder: Path

    @property
    def world(self) -> World:
        return self.lone.world

    @asynccontextmanager
    async def working(self, *broken: Replacement) -> AsyncIterator[None]:
        """Run the workers; some steps are broken."""
        resources = replace(self.world.resources, mailbox=LocalMailbox(str(self.folder)))

        def work(queue: TaskQueue) -> QueueWork:
            made = WORK[queue](resources)
            for one in broken:
                made = replace(one.apply(made), local=made.local)
            return made

        async with self.world.working({queue: work(queue) for queue in WORK}):
            yield

    async def found(self) -> tuple[set[str], set[str], set[str]]:
        """Search everywhere for the person."""
        return (
            await traces.in_tables(self.world.shop.engine, WORDS),
            await traces.in_histories(self.world.temporal, WORDS),
            traces.in_folder(self.folder, WORDS),
        )


@pytest.fixture
async def scene(postgres: PostgresForTests, tmp_path: Path) -> AsyncIterator[Scene]:
    async with running_temporal() as environment, lone_world(postgres, await plain_client(environment)) as lone:
        folder = tmp_path / "mail"
        lone.world.mail = LocalMail(folder=folder)
        settings = Settings.model_validate(
            {"DATABASE_URL": lone.database_url, "secret": SECRET, "rate_limit_scale": 1_000, "_env_file": None}
        )

        @asynccontextmanager
        async def opens(settings: Settings) -> AsyncIterator[Resources]:
            engine = create_engine(settings.database_url)
            temporal = lone.world.temporal
            resources = Resources(
                settings,
                engine,
                OrderClient(temporal),
                messages=MessageClient(temporal),
                erasures=ErasureClient(environment.client),  # whose timers are skipped
            )
            yield resources
            await resources.post.close()
            await engine.dispose()

        app = create_app(settings, services="", opens=opens)
        transport = httpx2.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://shop.example") as client,
        ):
            yield Scene(lone, client, environment, folder)


@dataclass
class Ada:
    """The person, as one who calls the API."""

    scene: Scene
    headers: dict[str, str] = field(default_factory=dict)

    async def ask(self, method: str, path: str, content: Any = None, **headers: str) -> httpx2.Response:
        """Ask under a key of its own, so that the answer is kept."""
        keyed = {"Idempotency-Key": uuid4().hex} if method == "POST" and "/auth/" not in path else {}
        return await self.scene.client.request(method, path, json=content, headers={**self.headers, **keyed, **headers})

    async def register(self) -> None:
        """Open an account by way of the mail, and log in."""
        account = {"email": EMAIL, "password": PASSWORD, "name": "Ada Byron-Lovelace", "phone": "+441483987654"}
        body(await self.ask("POST", "/v1/auth/register", account), 202)
        [mail] = await self.mails(AccountMessage.VERIFY_EMAIL)
        token = mail.text.partition("#token=")[2].split()[0]
        assert (await self.ask("POST", "/v1/auth/verify-email", {"token": token})).status_code == 204
        problem(await self.log_in("wrong-password-1"), 401, "unauthenticated")
        self.headers = {"Authorization": f"Bearer {body(await self.log_in(PASSWORD))['access_token']}"}

    async def log_in(self, password: str) -> httpx2.Response:
        form = {"grant_type": "password", "username": EMAIL, "password": password}
        return await self.scene.client.post("/v1/auth/token", data=form)

    async def mails(self, template: AccountMessage) -> list[Email]:
        """Wait until every message of this kind was sent."""
        world = self.scene.world
        rows = "SELECT message_id, state FROM notifications WHERE template = :template"
        while {str(row[1]) for row in await world.shop.run(rows, template=template)} & {"pending", "sending"}:
            pass
        ids = {row[0] for row in await world.shop.run(rows, template=template)}
        return [mail for mail in world.mail.sent if mail.message_id in ids]

    async def cart(self, *, claimed: bool = True, **other: Any) -> tuple[UUID, dict[str, str]]:
        """Fill a cart as a guest, and claim it."""
        sku = await self.scene.world.goods()
        opened = body(await self.scene.client.post("/v1/carts", json={}), 201)
        path, secret = f"/v1/carts/{opened['id']}", {"X-Cart-Token": opened["token"]}
        body(await self.ask("PUT", f"{path}/lines/{sku}", {"quantity": 1}, **secret))
        body(await self.ask("PATCH", path, PERSON | {"billing_address": PERSON["shipping_address"]} | other, **secret))
        if claimed:
            body(await self.ask("POST", f"{path}/claim", **secret))
        return UUID(opened["id"]), secret

    async def buy(
        self, cart: UUID, content: Any = None, status: int = 201, *, secret: dict[str, str] | None = None
    ) -> UUID:
        """Check a cart out."""
        answer = await self.ask("POST", f"/v1/carts/{cart}/checkout", content or VISA, **(secret or {}))
        assert answer.status_code == status, answer.text
        return order_id(cart, 1)


async def sql_error(_request: OrderStep) -> OrderSnapshot:
    raise SQLAlchemyError(f"Failing row contains (Ada Byron-Lovelace, {EMAIL}, 12 Ockham Terrace)")


async def delivered(world: World, order: UUID) -> None:
    await world.shop.run("UPDATE orders SET status = 'delivered' WHERE id = :id", id=order)


async def live_through(ada: Ada) -> None:
    """Do everything that leaves something behind, with every failure that quotes people."""
    scene, world = ada.scene, ada.scene.world
    refused = MailRefusedError(550)
    refused.args = (f"550 5.1.1 <{EMAIL}>: Ada Byron-Lovelace is unknown",)
    async with scene.working(Replacement("orders.place", sql_error, times=2)):
        await ada.register()
        body(await ada.ask("POST", "/v1/users/me/addresses", PERSON["shipping_address"]), 201)
        wanted = {"order_updates": {"email": True, "sms": False}, "marketing": {"email": True, "sms": False}}
        body(await ada.ask("PUT", "/v1/users/me/notification-preferences", wanted))

        # An order whose place fails with an SQL error, and whose mail is away and then refused, both in her words.
        world.mail.failures[EMAIL] = [MailUnavailableError(f"{EMAIL} is busy"), refused]
        kept, _ = await ada.cart()
        order = await ada.buy(kept)
        await world.settled(order)
        assert await world.message_states(order) == ["refused"]
        await delivered(world, order)
        await world.shop.run(
            "INSERT INTO manual_payments (reference, key, order_id, amount, currency, state, receipt) VALUES"
            " ('RF-of-her', 'RF-of-her', :id, 1000, 'GBP', 'received', 'from ADA BYRON-LOVELACE, 23 November')",
            id=order,
        )

        # A declined card, another one, and a cancellation that says who she is.
        cart, _ = await ada.cart()
        order = await ada.buy(cart, DECLINED, 402)
        body(await ada.ask("POST", f"/v1/orders/{order}/payments", VISA), 201)
        reason = {"reason": "Ada Byron-Lovelace of 12 Ockham Terrace has moved"}
        assert (await ada.ask("POST", f"/v1/orders/{order}/cancel", reason)).status_code == 200

        # A workflow that fails: nothing is in the cart when it is opened. And a guest's order, never claimed.
        empty, _ = await ada.cart(email=ELSEWHERE)
        await world.shop.run("DELETE FROM cart_lines WHERE cart_id = :id", id=empty)
        with pytest.raises(WorkflowFailureError):
            await world.temporal.execute_workflow(
                "OrderWorkflow",
                PlaceOrder(order_id(empty, 1), empty, 1, "pm_card_visa"),
                id=f"order-{order_id(empty, 1)}",
                task_queue=TaskQueue.ORDERS,
            )
        cart, secret = await Ada(scene).cart(claimed=False)
        order = await Ada(scene).buy(cart, secret=secret)
        await world.told(order)
        await delivered(world, order)
        await ada.cart()
        await Ada(scene).cart(claimed=False)
    body(await ada.ask("POST", "/v1/auth/password-reset", {"email": EMAIL}), 202)


async def erasure_has_ended(scene: Scene, user_id: UUID) -> None:
    """Wait for the end of a workflow that is begun beside the answer, so that it may not be there yet."""
    handle = scene.environment.client.get_workflow_handle(erasure_workflow_id(user_id))
    async with asyncio.timeout(60):
        while True:
            try:
                await handle.result()
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                await asyncio.sleep(0.02)
            else:
                return


async def test_erased_person_has_left_no_trace(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    ada = Ada(scene)
    await live_through(ada)
    tables, histories, mails = await scene.found()
    assert {
        "addresses.line1",
        "carts.billing_address",
        "carts.email",
        "manual_payments.receipt",
        "order_notes.text",
        "orders.email",
        "orders.shipping_address",
        "users.email",
        "users.name",
    } <= tables
    assert histories == set()
    assert mails != set()
    books = "SELECT id, number, status, total_amount, captured_amount, customer_id FROM orders ORDER BY id"
    before = await scene.world.shop.run(books)

    async with scene.working():
        erasing = await ada.ask("DELETE", "/v1/users/me", {"password": PASSWORD})
        assert body(erasing, 202) == {"status": "erasing"}
        [(user_id,)] = await scene.world.shop.run("SELECT user_id FROM erasures")
        await erasure_has_ended(scene, UUID(str(user_id)))

    assert scene.world.mail.sent[-1].subject == "Your account is erased"
    assert await scene.found() == (set(), set(), set())
    assert [word for word in WORDS if word in "".join(capfd.readouterr())] == []
    assert await scene.world.shop.run(books) == before
    [(country,)] = await scene.world.shop.run("SELECT DISTINCT shipping_address FROM orders")
    assert country == {"country": "GB"}
    assert await scene.world.shop.run("SELECT count(*) FROM idempotency_keys WHERE owner LIKE 'user:%'") == [(0,)]
    problem(await ada.ask("GET", "/v1/users/me"), 401, "unauthenticated")
    problem(await ada.ask("GET", "/v1/users/me/export"), 401, "unauthenticated")


async def test_guest_is_erased_by_an_operator_once_no_order_is_under_way(scene: Scene) -> None:
    guest, world = Ada(scene), scene.world
    async with scene.working():
        cart, secret = await guest.cart(claimed=False)
        order = await guest.buy(cart, secret=secret)
        await world.told(order)
    desk = PeopleDesk(world.sessions, ErasureClient(world.temporal), LocalMailbox(str(scene.folder)))
    before = await scene.found()
    assert all(before[::2])

    with pytest.raises(OrdersOpenError):
        await desk.erase(EMAIL)
    assert await scene.found() == before
    await delivered(world, order)
    erased = await desk.erase(EMAIL.upper())

    assert (erased.carts, erased.orders, erased.account) == (1, 1, None)
    assert await scene.found() == (set(), set(), set())
    again = await desk.erase(EMAIL)
    assert (again.carts, again.orders) == (0, 0)
