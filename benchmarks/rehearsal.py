"""One order in this process, through the real endpoints and activities, with every SQL statement written down."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx2
from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.testing import ActivityEnvironment

from activities.notifications import NotificationActivities
from activities.orders import OrderActivities
from activities.payments import PaymentActivities
from api import deps
from api.app import create_app
from benchmarks.buying import buy
from clients.connection import connect
from clients.orders import OrderClient
from contracts.notifications import DeliverMessage
from contracts.orders import OrderOutcome, OrderStep, PlaceOrder
from contracts.payments import AuthorisePayment, CapturePayment
from settings import Settings
from settings.logs import configure_logs
from workers.main import open_resources
from workers.wiring import Resources


@dataclass(slots=True)
class Transaction:
    """Statements with their values, between BEGIN and COMMIT, or `bare` of both."""

    reads_only: bool
    bare: bool
    statements: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    @property
    def round_trips(self) -> int:
        """Return how often PostgreSQL is waited for."""
        return len(self.statements) + (0 if self.bare else 2)


Script = list[Transaction]
"""All transactions of one order, in their order."""


class Recorder:
    """Writes down the transactions of engines that are used by one task at a time."""

    def __init__(self) -> None:
        self.script: Script = []

    def listen(self, engine: AsyncEngine) -> None:
        """Write down what this engine does from now on."""
        event.listen(engine.sync_engine, "begin", self._begin)
        event.listen(engine.sync_engine, "before_cursor_execute", self._execute)

    def _begin(self, connection: Connection) -> None:
        options = connection.get_execution_options()
        bare = options.get("isolation_level") == "AUTOCOMMIT"
        self.script.append(Transaction(bool(options.get("postgresql_readonly")), bare))

    def _execute(self, _connection: Connection, _cursor: object, sql: str, values: Any, *_: object) -> None:
        self.script[-1].statements.append((sql, tuple(values)))


class RehearsedOrders(OrderClient):
    """Takes the steps of the happy path where the real client would start a workflow."""

    def __init__(self, resources: Resources) -> None:
        self._orders = OrderActivities(resources.sessions)
        self._payments = PaymentActivities(resources.sessions, resources.payments)
        self._messages = NotificationActivities(resources.sessions, resources.mailer, resources.renderer)

    async def place(self, order: PlaceOrder, *, wait: timedelta) -> OrderOutcome:  # noqa: ARG002 - nothing to wait for
        """Take every step at once."""
        run = ActivityEnvironment().run
        opened = await run(self._orders.open, order)
        card = order.payment_method or ""
        await run(self._payments.authorise, AuthorisePayment(order.order_id, 1, opened.total, card))
        await run(self._payments.capture, CapturePayment(order.order_id, 1, opened.total))
        placed = await run(self._orders.place, OrderStep(order.order_id))
        for message in placed.messages:
            await run(self._messages.deliver, DeliverMessage(message))
        return OrderOutcome(order.order_id, placed.status)


async def rehearse(settings: Settings, baskets: list[bytes]) -> list[Script]:
    """Place an order for each basket and return what each has asked of PostgreSQL."""
    configure_logs(settings.model_copy(update={"log_level": "WARNING"}))  # what goes well is no part of the figures
    recorder = Recorder()
    scripts: list[Script] = []
    async with _shop(settings, recorder) as client:
        await buy(client, baskets[0])  # what is done once a connection is not what an order costs
        for lines in baskets:
            recorder.script = []
            await buy(client, lines)
            scripts.append(recorder.script)
    return scripts


@asynccontextmanager
async def _shop(settings: Settings, recorder: Recorder) -> AsyncIterator[httpx2.AsyncClient]:
    temporal = await connect(settings, lazy=True)
    async with open_resources(settings, temporal) as resources:
        recorder.listen(resources.sessions.kw["bind"])

        @asynccontextmanager
        async def opens(settings: Settings) -> AsyncIterator[deps.Resources]:
            yield deps.Resources(settings, resources.sessions.kw["bind"], RehearsedOrders(resources))

        app = create_app(settings, opens=opens)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://rehearsal") as client,
        ):
            yield client
