"""Everything that an order needs, for real: PostgreSQL, Temporal, the sandbox and the workers, in one process."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

from temporalio.client import Client, WorkflowHistory

from activities.ports import PaymentProvider
from activities.providers import PaymentProviders
from clients.orders import Accepted, OrderClient
from contracts.orders import OrderOutcome, OrderSnapshot, PlaceOrder, order_workflow_id
from contracts.queues import TaskQueue
from db import orders
from db.engine import Sessions
from domain.messages import Email
from domain.money import Money
from domain.order_ids import order_id
from domain.order_states import OrderStatus
from domain.provider_payments import ProviderPaymentState
from providers.links import StorefrontLinks
from providers.maildir import LocalMailbox
from providers.manual import ManualProvider
from providers.rendering import JinjaRenderer
from providers.shopify.products import ProductFile
from providers.stripe import StripeProvider
from tests.support.shop import Shop
from workers.providers import InstallationName
from workers.wiring import WORK, QueueWork, Resources, create_worker

WAIT = timedelta(seconds=20)
VISA = "pm_card_visa"
STOREFRONT = "https://shop.example"
SECRET = "the secret of the tests, long enough to be one"
_PATIENCE = 30
ADDRESS = (
    '{"name": "Ada Example", "line1": "1 Analytical Row", "city": "London", "postal_code": "N1 1AA", "country": "GB"}'
)


@dataclass
class KeptMail:
    """A mailer that keeps what it was given, or fails as it is told for a recipient."""

    sent: list[Email] = field(default_factory=list)
    failures: dict[str, list[Exception]] = field(default_factory=dict)

    async def send(self, email: Email) -> None:
        if failures := self.failures.get(email.recipient):
            raise failures.pop(0)
        self.sent.append(email)

    def sent_to(self, recipient: str) -> list[Email]:
        """List what one person was sent. Others may be told late of what happened in tests before this one."""
        return [email for email in self.sent if email.recipient == recipient]


@dataclass
class World:
    """A shop whose orders are placed through the client that the API uses."""

    shop: Shop
    temporal: Client
    provider: PaymentProvider
    mail: KeptMail
    grace: timedelta = timedelta(minutes=10)
    """How long reconciliation leaves an order alone."""

    @property
    def sessions(self) -> Sessions:
        return self.shop.sessions

    @property
    def client(self) -> OrderClient:
        return OrderClient(self.temporal)

    async def installation(self) -> str:
        """Name this world as its payments at the provider do."""
        return await InstallationName(self.sessions)()

    @property
    def providers(self) -> PaymentProviders:
        """Every provider of this world."""
        return PaymentProviders(self.provider, ManualProvider(self.sessions))

    @property
    def resources(self) -> Resources:
        """What the activities of this world are wired to."""
        links = StorefrontLinks(STOREFRONT, SECRET)
        return Resources(
            self.sessions,
            self.providers,
            self.mail,
            JinjaRenderer(),
            self.temporal,
            links,
            LocalMailbox(""),
            ProductFile,
            reconciliation_grace=self.grace,
        )

    async def goods(self, *, stock: int = 10, amount: int = 1000) -> str:
        """Put a SKU on sale, with the movement that explains its stock."""
        sku = await self.shop.buyable(amount=amount, stock=None)
        await self.receive(sku, stock)
        return sku

    async def receive(self, sku: str, quantity: int) -> None:
        """Receive stock."""
        await self.shop.run(
            """
            WITH received AS (SELECT CAST(:sku AS text) AS sku, CAST(:quantity AS bigint) AS quantity), moved AS (
                INSERT INTO stock_movements (id, sku, location, delta, reason, actor, note)
                SELECT uuidv7(), sku, 'main', quantity, 'receipt', 'test', '' FROM received WHERE quantity <> 0
            )
            INSERT INTO stock_levels AS s (sku, location, on_hand, reserved)
            SELECT sku, 'main', quantity, 0 FROM received
            ON CONFLICT (sku, location) DO UPDATE SET on_hand = s.on_hand + excluded.on_hand
            """,
            sku=sku,
            quantity=quantity,
        )

    async def cart(self, *lines: tuple[str, int]) -> UUID:
        """Fill a cart that is ready to be checked out."""
        cart_id = uuid4()
        await self.shop.run(
            "INSERT INTO carts (id, status, checkout_attempt, currency, email, shipping_address)"
            " VALUES (:id, 'open', 1, 'GBP', 'ada@example.com', CAST(:address AS jsonb))",
            id=cart_id,
            address=ADDRESS,
        )
        await self.fill(cart_id, *lines)
        return cart_id

    async def fill(self, cart_id: UUID, *lines: tuple[str, int]) -> None:
        """Put lines into a cart."""
        for position, (sku, quantity) in enumerate(lines):
            await self.shop.run(
                "INSERT INTO cart_lines (line_id, cart_id, sku, quantity, position)"
                " VALUES (uuidv7(), :cart, :sku, :quantity, :position)",
                cart=cart_id,
                sku=sku,
                quantity=quantity,
                position=position,
            )

    def order_of(
        self,
        cart_id: UUID,
        *,
        attempt: int = 1,
        card: str = VISA,
        expected: int | None = None,
        hold: timedelta = timedelta(minutes=30),
    ) -> PlaceOrder:
        """Name the order that a cart becomes."""
        return PlaceOrder(
            order_id=order_id(cart_id, attempt),
            cart_id=cart_id,
            checkout_attempt=attempt,
            payment_method=card,
            expected_total=None if expected is None else Money(expected, "GBP"),
            hold=hold,
        )

    async def place(self, order: PlaceOrder) -> OrderOutcome:
        """Place an order and wait for its outcome."""
        outcome = await self.client.place(order, wait=WAIT)
        assert not isinstance(outcome, Accepted), "the checkout takes too long"
        return outcome

    async def order(self, order: UUID) -> OrderSnapshot:
        """Read an order's row."""
        async with self.sessions.begin() as session:
            return await orders.snapshot(session, order)

    async def stands(self, order: UUID, status: OrderStatus) -> None:
        """Wait until an order has come to a status."""
        come = "SELECT 1 FROM orders WHERE id = :id AND status = :status"
        async with asyncio.timeout(_PATIENCE):
            while not await self.shop.run(come, id=order, status=status):  # noqa: ASYNC110 - it is in the database
                await asyncio.sleep(0.02)

    async def reference(self, order: UUID) -> str:
        """Read the provider's id of the payment that an order was authorised by last."""
        [(reference,)] = await self.shop.run(
            "SELECT provider_reference FROM payment_operations WHERE order_id = :id AND operation = 'authorise'"
            " ORDER BY attempt DESC LIMIT 1",
            id=order,
        )
        return str(reference)

    async def stock(self, sku: str) -> tuple[int, int]:
        """Read what is on hand and what is reserved of a SKU."""
        [(on_hand, reserved)] = await self.shop.run(
            "SELECT on_hand, reserved FROM stock_levels WHERE sku = :sku", sku=sku
        )
        return int(str(on_hand)), int(str(reserved))

    async def events(self, order: UUID) -> list[str]:
        """List the types of an order's events, oldest first."""
        rows = await self.shop.run("SELECT type FROM order_events WHERE order_id = :id ORDER BY id", id=order)
        return [str(row[0]) for row in rows]

    async def operations(self, order: UUID) -> dict[str, str]:
        """List an order's payment operations, without its id, and their states."""
        rows = await self.shop.run("SELECT key, state FROM payment_operations WHERE order_id = :id", id=order)
        return {str(key).split(":", 1)[1]: str(state) for key, state in rows}

    async def cart_row(self, cart_id: UUID) -> tuple[str, int]:
        """Read a cart's status and attempt."""
        [(status, attempt)] = await self.shop.run(
            "SELECT status, checkout_attempt FROM carts WHERE id = :id", id=cart_id
        )
        return str(status), int(str(attempt))

    async def charged(self, order: UUID) -> list[int]:
        """List what the provider has kept for an order, payment by payment."""
        return [
            payment.captured - payment.refunded
            async for payment in self.provider.ledger()
            if payment.order_id == order and payment.captured > payment.refunded
        ]

    async def reserved_money(self, order: UUID) -> int:
        """Count the authorisations that the provider still holds for an order."""
        payments = [payment async for payment in self.provider.ledger() if payment.order_id == order]
        return sum(payment.state is ProviderPaymentState.AUTHORISED for payment in payments)

    async def message_states(self, order: UUID) -> list[str]:
        """List the states of an order's messages."""
        rows = await self.shop.run("SELECT state FROM notifications WHERE order_id = :id ORDER BY id", id=order)
        return [str(row[0]) for row in rows]

    async def told(self, order: UUID) -> None:
        """Wait until every message of an order has been sent."""
        unsent = "SELECT 1 FROM notifications WHERE order_id = :id AND state <> 'sent'"
        while await self.shop.run(unsent, id=order):  # noqa: ASYNC110 - what is waited for is in the database
            await asyncio.sleep(0.02)

    async def settled(self, order: UUID) -> None:
        """Wait until no message of an order is on its way any more."""
        while {"pending", "sending"} & set(await self.message_states(order)):  # noqa: ASYNC110 - what is waited for is in the database
            await asyncio.sleep(0.02)

    async def needs_operator(self, order: UUID) -> OrderSnapshot:
        """Wait until an order calls for an operator."""
        stuck = "SELECT 1 FROM orders WHERE id = :id AND needs_operator"
        while not await self.shop.run(stuck, id=order):  # noqa: ASYNC110 - what is waited for is in the database
            await asyncio.sleep(0.02)
        return await self.order(order)

    async def ended(self, order: UUID) -> OrderOutcome:
        """Wait for the end of an order's workflow."""
        handle = self.temporal.get_workflow_handle(order_workflow_id(order), result_type=OrderOutcome)
        outcome: OrderOutcome = await handle.result()
        return outcome

    async def history(self, order: UUID) -> WorkflowHistory:
        """Fetch the history of an order's workflow."""
        return await self.temporal.get_workflow_handle(order_workflow_id(order)).fetch_history()

    @asynccontextmanager
    async def working(self, instead: Mapping[TaskQueue, QueueWork] | None = None) -> AsyncIterator[None]:
        """Run a worker for each queue; `instead` replaces the work of some."""
        async with AsyncExitStack() as stack:
            for queue, work_of in WORK.items():
                work = (instead or {}).get(queue) or work_of(self.resources)
                await stack.enter_async_context(create_worker(self.temporal, queue, work))
            yield


@asynccontextmanager
async def open_world(shop: Shop, temporal: Client, sandbox_url: str, api_key: str) -> AsyncIterator[World]:
    """Open a world on servers that run already."""
    provider = StripeProvider(api_key, sandbox_url, installation=InstallationName(shop.sessions))
    try:
        yield World(shop, temporal, provider, KeptMail())
    finally:
        await provider.close()
