"""What an order looks like."""

from collections.abc import Sequence
from uuid import UUID

from api.schemas.money import Money
from api.schemas.orders import AwaitedPayment, Order, OrderLine, PaymentAction
from contracts.orders import order_workflow_id
from db.carts import CartLineRow, CartRow
from db.orders import OrderView
from db.payments import BuyersAction
from domain import money
from domain.order_states import OrderStatus, PaymentStatus
from domain.pricing import PricedLine, quote


def show(order: OrderView, action: BuyersAction | None = None) -> Order:
    """Show an order as its row says, and what its buyer has to do before it can be paid."""

    def amount(minor: int) -> Money:
        return Money(amount=minor, currency=order.currency)

    return Order(
        id=order.id,
        number=order.number,
        cart_id=order.cart_id,
        status=OrderStatus(order.status),
        payment_status=PaymentStatus(order.payment_status),
        needs_operator=order.needs_operator,
        reason=order.reason,
        currency=order.currency,
        lines=[
            OrderLine(
                line_id=line.line_id,
                sku=line.sku,
                title=line.title,
                quantity=line.quantity,
                unit_price=amount(line.unit_price),
                total=amount(line.total),
            )
            for line in order.lines
        ],
        subtotal=amount(order.subtotal),
        discount=amount(order.discount),
        shipping=amount(order.shipping),
        tax=amount(order.tax),
        total=amount(order.total),
        refunded=amount(order.refunded),
        shipping_address=order.shipping_address,
        awaited_payment=_awaited(order, action),
        created_at=order.created_at,
        workflow_id=order_workflow_id(order.id),
    )


def _awaited(order: OrderView, action: BuyersAction | None) -> AwaitedPayment | None:
    if order.status != OrderStatus.PAYMENT_REQUIRED:
        return None
    return AwaitedPayment(
        decline_code=order.decline_code,
        deadline=order.payment_deadline,
        retry_at=order.payment_retry_at,
        action=None if action is None else PaymentAction.model_validate(action),
    )


def show_accepted(order_id: UUID, cart: CartRow, lines: Sequence[CartLineRow]) -> Order:
    """Show an order whose checkout was accepted and has not written it down yet, as its cart says."""
    priced = [
        (line, PricedLine(line.sku, line.quantity, money.Money(line.unit_price, cart.currency)))
        for line in lines
        if line.unit_price is not None
    ]
    price = quote([line for _, line in priced], cart.currency)
    content = {
        "id": order_id,
        "number": None,
        "cart_id": cart.id,
        "status": OrderStatus.PENDING,
        "payment_status": PaymentStatus.NONE,
        "needs_operator": False,
        "reason": None,
        "currency": cart.currency,
        "lines": [
            {
                "line_id": None,
                "sku": row.sku,
                "title": row.title,
                "quantity": row.quantity,
                "unit_price": line.unit_price,
                "total": line.total,
            }
            for row, line in priced
        ],
        "subtotal": price.subtotal,
        "discount": price.discount,
        "shipping": price.shipping,
        "tax": price.tax,
        "total": price.total,
        "refunded": money.Money.zero(cart.currency),
        "shipping_address": cart.shipping_address,
        "created_at": None,
        "workflow_id": order_workflow_id(order_id),
    }
    return Order.model_validate(content)
