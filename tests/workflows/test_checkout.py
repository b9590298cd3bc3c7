from contracts.orders import order_workflow_id
from domain.order_states import OrderStatus, PaymentStatus
from tests.support.world import World


async def test_paid_order_is_placed_with_its_stock_committed_and_its_buyer_told(world: World) -> None:
    sku = await world.goods(stock=10, amount=1250)
    cart = await world.cart((sku, 2), (sku, 1))
    order = world.order_of(cart, expected=3750)

    async with world.working():
        outcome = await world.place(order)
        again = await world.place(order)

    assert outcome.status is OrderStatus.PLACED
    assert again == outcome
    row = await world.order(order.order_id)
    assert (row.status, row.payment_status, row.total.amount) == (OrderStatus.PLACED, PaymentStatus.CAPTURED, 3750)
    assert await world.stock(sku) == (7, 0)
    assert await world.operations(order.order_id) == {"authorise:1": "succeeded", "capture:1": "succeeded"}
    assert await world.events(order.order_id) == ["opened", "placed"]
    assert await world.cart_row(cart) == ("ordered", 1)
