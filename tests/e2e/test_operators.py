"""Orders in the hands of operators: every message of the contract through Temporal's own command."""

from typing import Any
from uuid import UUID

import pytest

from domain.order_states import OrderStatus
from tests.support.operating import Operator
from tests.support.shopper import DECLINED, VISA, Cart, Shopper
from tests.support.stack import RunningStack
from tests.support.world import World

STOCK = 10


@pytest.fixture
def operator(stack: RunningStack) -> Operator:
    return Operator(stack)


@pytest.fixture
async def sku(world: World) -> str:
    return await world.goods(stock=STOCK, amount=3000)


async def ordered(shopper: Shopper, sku: str, *, card: str = VISA) -> tuple[Cart, UUID]:
    """Check two of a SKU out, at 60.00 GBP."""
    cart = await shopper.cart(sku, 2)
    answer = (await shopper.check_out(cart, card=card)).json()
    return cart, UUID(answer.get("order_id") or answer["id"])


async def number(stack: RunningStack, id_: UUID) -> str:
    [(number,)] = await stack.rows("SELECT number FROM orders WHERE id = $1", id_)
    return str(number)


async def test_order_is_found_by_each_search_attribute_and_tells_its_story(
    stack: RunningStack, operator: Operator, shopper: Shopper, sku: str
) -> None:
    _, id_ = await ordered(shopper, sku, card=DECLINED)
    own = await number(stack, id_)

    await operator.found("list_by_status", id_)
    await operator.found("list_by_number", id_, number=own)
    await operator.found("list_of_guests_by_total", id_)
    await operator.missing("list_needing_operator", id_)
    described = await operator.read("describe", id=id_)
    assert described["workflowExecutionInfo"]["status"] == "WORKFLOW_EXECUTION_STATUS_RUNNING"
    [status] = (await operator.read("status", id=id_))["queryResult"]
    [timeline] = (await operator.read("timeline", id=id_))["queryResult"]
    assert (status["status"], status["decline_code"], status["total"]) == (
        "payment_required",
        "generic_decline",
        {"amount": 6000, "currency": "GBP"},
    )
    assert [(entry["status"], entry["what"]) for entry in timeline] == [
        ("pending", "Freeze and price the cart, hold the stock"),
        ("payment_required", "Declined (generic_decline): ask for another card"),
    ]
    await operator.update("cancel", id_)
    await operator.missing("list_by_status", id_)


async def test_operator_pays_ships_and_delivers_and_a_refused_update_says_a_sentence(
    operator: Operator, shopper: Shopper, world: World, sku: str
) -> None:
    _, id_ = await ordered(shopper, sku, card=DECLINED)
    illegal = "Error: unable to update workflow: {} (type: everorder.illegal_transition, retryable: false)"

    refused = await operator.refused("ship", id_)
    assert refused == illegal.format("Shipping is not possible: the order is payment_required.")
    assert (await operator.update("pay", id_))["status"] == "placed"
    refused = await operator.refused("pay", id_)
    assert refused == illegal.format("A payment is not possible: the order is placed.")
    refused = await operator.refused("resolve_skip", id_)
    assert refused == illegal.format("The order does not need an operator.")
    assert (await operator.update("ship", id_))["status"] == "shipped"
    assert (await operator.update("mark_delivered", id_))["status"] == "delivered"

    assert await world.events(id_) == [
        "opened",
        "payment_declined",
        "payment_retried",
        "placed",
        "shipped",
        "delivered",
    ]
    assert await world.charged(id_) == [6000]


@pytest.mark.parametrize("way", ["cancel", "signal_cancel", "workflow_cancel"])
@pytest.mark.parametrize("card", [VISA, DECLINED])
async def test_order_that_was_not_shipped_ends_compensated_however_it_is_cancelled(
    operator: Operator, shopper: Shopper, world: World, sku: str, *, way: str, card: str
) -> None:
    cart, id_ = await ordered(shopper, sku, card=card)

    said = await operator.run(way, id=id_)

    assert said.code == 0, said.errors
    assert (await world.ended(id_)).status is OrderStatus.CANCELLED
    assert await world.stock(sku) == (STOCK, 0)
    assert await world.charged(id_) == []
    assert await world.reserved_money(id_) == 0
    assert await world.cart_row(cart.id) == (("ordered", 1) if card == VISA else ("open", 2))


async def test_order_that_is_cancelled_while_it_is_being_paid_ends_compensated(
    stack: RunningStack, operator: Operator, shopper: Shopper, world: World, sku: str
) -> None:
    cart = await shopper.cart(sku, 2)
    await stack.sandbox.misbehave("slow", operation="confirm", delay=2)
    accepted = await shopper.check_out(cart, wait=1)
    id_ = UUID(accepted.json()["order_id"])

    await operator.run("workflow_cancel", id=id_)

    assert (accepted.status_code, (await world.ended(id_)).status) == (202, OrderStatus.CANCELLED)
    assert await world.stock(sku) == (STOCK, 0)
    assert (await world.charged(id_), await world.reserved_money(id_)) == ([], 0)
    assert await world.cart_row(cart.id) == ("open", 2)


@pytest.mark.parametrize("way", ["cancel", "signal_cancel", "workflow_cancel"])
async def test_cancelling_after_shipment_only_calls_an_operator_who_clears_the_call(
    operator: Operator, shopper: Shopper, world: World, sku: str, *, way: str
) -> None:
    _, id_ = await ordered(shopper, sku)
    await operator.update("ship", id_)

    await operator.run(way, id=id_)

    assert (await world.needs_operator(id_)).operator_reason == "cancel_after_shipment"
    await operator.found("list_needing_operator", id_)
    resolved = await operator.update("resolve_skip", id_)
    assert (resolved["status"], resolved["needs_operator"]) == ("shipped", False)
    await operator.missing("list_needing_operator", id_)
    assert await world.stock(sku) == (STOCK - 2, 0)
    assert await world.charged(id_) == [6000]


async def test_refund_that_is_refused_stands_still_until_an_operator_has_it_tried_again(
    stack: RunningStack, operator: Operator, shopper: Shopper, world: World, sku: str
) -> None:
    _, id_ = await ordered(shopper, sku)
    hide = "UPDATE payment_intents SET id = $1 || id WHERE order_id = $2 RETURNING id"
    show = "UPDATE payment_intents SET id = replace(id, $1, '') WHERE order_id = $2 RETURNING id"
    await stack.sandbox_rows(hide, "hidden-", str(id_))
    await operator.run("signal_cancel", id=id_)

    row = await world.needs_operator(id_)
    assert (row.status, row.operator_reason) == (OrderStatus.CANCELLING, "payment_refused")
    assert await world.charged(id_) == [6000]

    await stack.sandbox_rows(show, "hidden-", str(id_))
    await operator.update("resolve_retry", id_)
    assert (await world.ended(id_)).status is OrderStatus.CANCELLED
    assert await world.charged(id_) == []
    assert await world.stock(sku) == (STOCK, 0)


@pytest.mark.parametrize(
    ("card", "then", "end"), [(VISA, "cancel", "cancelled"), (DECLINED, "pay", "placed"), (VISA, "ship", "shipped")]
)
async def test_terminated_order_goes_on_from_its_row_when_it_is_resumed(
    stack: RunningStack, operator: Operator, shopper: Shopper, world: World, sku: str, *, card: str, then: str, end: str
) -> None:
    _, id_ = await ordered(shopper, sku, card=card)
    own = await number(stack, id_)
    assert (await operator.run("terminate", id=id_)).code == 0
    assert (await operator.run(then, id=id_)).code == 1

    assert (await operator.run("resume", number=own)).output == f"{own}: resumed\n"
    assert (await operator.run("resume", number=own)).output == f"{own}: its workflow is running already\n"
    outcome: dict[str, Any] = await operator.update(then, id_)

    assert outcome["status"] == end
    gone = 0 if end == "cancelled" else 2
    assert await world.stock(sku) == (STOCK - gone, 0)
    assert await world.charged(id_) == [3000 * gone][: gone // 2]


async def test_audit_is_clean_after_all_that_operators_did(stack: RunningStack) -> None:
    assert await stack.broken() == {}
