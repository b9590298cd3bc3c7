"""A provider that lies, is slow or is away: money moves once, or not at all."""

import pytest

from contracts.orders import Cancel, Decision, OrderOutcome, Resolve, order_workflow_id
from contracts.queues import TaskQueue
from domain.errors import IllegalStepError
from domain.money import Money
from domain.order_states import OrderStatus
from domain.provider_payments import ProviderPayment, ProviderPaymentState, ProviderRefund, ProviderRefusedError
from providers.stripe import StripeProvider
from tests.support.gates import Gate
from tests.support.sandbox import SECRET_KEY, SandboxForTests, installation
from tests.support.world import WAIT, World
from workers.wiring import WORK
from workflows.order import OrderWorkflow

FAULTS = ("drop_before", "drop_after", "error_before", "error_after", "replay_error", "replay_error_before")


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("operation", ["create", "confirm", "capture"])
async def test_order_is_placed_and_charged_once_whatever_its_provider_does(
    world: World, sandbox: SandboxForTests, operation: str, kind: str
) -> None:
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 1)))
    await sandbox.misbehave(kind, operation=operation, order_id=str(order.order_id))

    async with world.working():
        outcome = await world.place(order)

    assert outcome.status is OrderStatus.PLACED
    assert await world.charged(order.order_id) == [1000]
    assert await world.reserved_money(order.order_id) == 0
    assert await world.stock(sku) == (9, 0)
    assert await world.operations(order.order_id) == {"authorise:1": "succeeded", "capture:1": "succeeded"}


@pytest.mark.parametrize("kind", FAULTS)
async def test_order_is_refunded_once_whatever_its_provider_does(
    world: World, sandbox: SandboxForTests, kind: str
) -> None:
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 1)))

    async with world.working():
        await world.place(order)
        await sandbox.misbehave(kind, operation="refund", order_id=str(order.order_id))
        outcome = await world.client.cancel(order.order_id, Cancel(), wait=WAIT)

    assert isinstance(outcome, OrderOutcome)
    assert outcome.status is OrderStatus.CANCELLED
    [payment] = [payment async for payment in world.provider.ledger() if payment.order_id == order.order_id]
    assert (payment.captured, payment.refunded) == (1000, 1000)
    assert await world.stock(sku) == (10, 0)


class RefusesRefunds(StripeProvider):
    """A provider that refuses a number of refunds for good."""

    refusals = 1

    async def refund(self, key: str, reference: str, amount: Money) -> ProviderRefund:
        if self.refusals > 0:
            self.refusals -= 1
            raise ProviderRefusedError("charge_disputed")
        return await super().refund(key, reference, amount)


@pytest.mark.parametrize(("decision", "kept"), [(Decision.RETRY, []), (Decision.SKIP, [1000])])
async def test_refused_refund_stands_still_until_an_operator_decides(
    world: World, sandbox: SandboxForTests, decision: Decision, kept: list[int]
) -> None:
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 1)))
    provider = RefusesRefunds(api_key=SECRET_KEY, api_base=sandbox.url, installation=installation)
    world.provider = provider

    async with world.working():
        await world.place(order)
        await world.client.signal_cancel(order.order_id, Cancel())
        row = await world.needs_operator(order.order_id)
        assert (row.status, row.operator_reason) == (OrderStatus.CANCELLING, "refund_refused")
        await world.client.resolve(order, Resolve(decision, "checked", "operator:7"), wait=WAIT)
        outcome = await world.ended(order.order_id)

    assert (outcome.status, outcome.needs_operator) == (OrderStatus.CANCELLED, False)
    assert await world.charged(order.order_id) == kept
    assert await world.stock(sku) == (10, 0)
    assert await world.events(order.order_id) == [
        "opened",
        "placed",
        "cancel_requested",
        "operator_needed",
        "operator_resolved",
        "cancelled",
    ]
    await provider.close()


class ForgetsPayments(StripeProvider):
    """A provider that has never heard of a payment it took."""

    forgetful = True

    async def find(self, reference: str) -> ProviderPayment:
        if self.forgetful:
            raise ProviderRefusedError("resource_missing")
        return await super().find(reference)


async def test_payment_that_its_provider_has_forgotten_calls_an_operator(
    world: World, sandbox: SandboxForTests
) -> None:
    order = world.order_of(await world.cart((await world.goods(), 1)))
    provider = ForgetsPayments(api_key=SECRET_KEY, api_base=sandbox.url, installation=installation)
    world.provider = provider

    async with world.working():
        await world.place(order)
        await world.client.signal_cancel(order.order_id, Cancel())
        row = await world.needs_operator(order.order_id)
        provider.forgetful = False
        await world.client.resolve(order, Resolve(Decision.RETRY), wait=WAIT)
        outcome = await world.ended(order.order_id)

    assert row.operator_reason == "payment_refused"
    assert outcome.status is OrderStatus.CANCELLED
    assert await world.charged(order.order_id) == []
    await provider.close()


class RefusesCaptures(StripeProvider):
    """A provider that captures nothing, and does not say why."""

    async def capture(self, key: str, reference: str, amount: Money, *, last: bool = True) -> ProviderPayment:
        raise ProviderRefusedError("blocked")

    async def find(self, reference: str) -> ProviderPayment:
        found = await super().find(reference)
        if found.state is ProviderPaymentState.AUTHORISED and self.blind:
            raise ProviderRefusedError("blocked")
        return found

    blind = True


async def test_order_that_stands_still_before_it_is_placed_can_be_cancelled(
    world: World, sandbox: SandboxForTests
) -> None:
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 1)))
    provider = RefusesCaptures(api_key=SECRET_KEY, api_base=sandbox.url, installation=installation)
    world.provider = provider

    async with world.working():
        await world.client.resume(order)
        row = await world.needs_operator(order.order_id)
        with pytest.raises(IllegalStepError):
            await world.client.resolve(order, Resolve(Decision.SKIP), wait=WAIT)
        provider.blind = False
        outcome = await world.client.cancel(order.order_id, Cancel(), wait=WAIT)

    assert (row.status, row.operator_reason) == (OrderStatus.PENDING, "payment_refused")
    assert isinstance(outcome, OrderOutcome)
    assert (outcome.status, outcome.needs_operator) == (OrderStatus.CANCELLED, False)
    assert await world.reserved_money(order.order_id) == 0
    assert await world.stock(sku) == (10, 0)
    await provider.close()


class RefusesOneCapture(RefusesCaptures):
    """A provider that will not say once what has become of a capture."""

    async def find(self, reference: str) -> ProviderPayment:
        try:
            return await super().find(reference)
        finally:
            self.blind = False


async def test_step_that_fails_for_good_after_the_order_was_cancelled_calls_no_operator(
    world: World, sandbox: SandboxForTests
) -> None:
    order = world.order_of(await world.cart((await world.goods(), 1)))
    provider = RefusesOneCapture(api_key=SECRET_KEY, api_base=sandbox.url, installation=installation)
    world.provider = provider
    gate = Gate("payments.capture", "before")

    async with world.working({TaskQueue.PAYMENTS: gate.apply(WORK[TaskQueue.PAYMENTS](world.resources))}):
        await world.client.resume(order)
        await gate.reached.wait()
        await world.client.signal_cancel(order.order_id, Cancel())
        await world.temporal.get_workflow_handle(order_workflow_id(order.order_id)).query(OrderWorkflow.status)
        gate.opened.set()
        outcome = await world.ended(order.order_id)

    assert outcome.status is OrderStatus.CANCELLED
    assert await world.events(order.order_id) == ["opened", "cancel_requested", "cancelled"]
    assert await world.reserved_money(order.order_id) == 0
    await provider.close()


async def test_step_on_the_books_can_not_be_skipped(world: World) -> None:
    sku = await world.goods(stock=10)
    order = world.order_of(await world.cart((sku, 1)))
    gate = Gate("orders.place", "before")

    async with world.working({TaskQueue.ORDERS: gate.apply(WORK[TaskQueue.ORDERS](world.resources))}):
        await world.client.resume(order)
        await gate.reached.wait()
        await world.shop.run("UPDATE stock_levels SET reserved = 0 WHERE sku = :sku", sku=sku)
        gate.opened.set()
        row = await world.needs_operator(order.order_id)
        with pytest.raises(IllegalStepError):
            await world.client.resolve(order, Resolve(Decision.SKIP), wait=WAIT)
        assert (await world.order(order.order_id)).needs_operator
        await world.shop.run("UPDATE stock_levels SET reserved = 1 WHERE sku = :sku", sku=sku)
        await world.client.resolve(order, Resolve(Decision.RETRY), wait=WAIT)
        outcome = await world.place(order)

    assert row.operator_reason == "constraint_violated"
    assert (outcome.status, outcome.needs_operator) == (OrderStatus.PLACED, False)
    assert await world.stock(sku) == (9, 0)
