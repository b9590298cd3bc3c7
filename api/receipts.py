"""What an order looks like."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api import quotes
from api.schemas.adjustments import Adjustment, AdjustmentPart
from api.schemas.money import Money
from api.schemas.orders import AwaitedPayment, Order, OrderLine, PaymentAction
from contracts.orders import order_workflow_id
from db.carts import CartRow
from db.orders import OrderView
from db.payments import BuyersAction
from domain import money
from domain.order_states import OrderStatus, PaymentStatus
from domain.pricing.explaining import AdjustmentType


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
                discount=amount(line.discount),
                tax=amount(line.tax),
                tax_included=amount(line.tax_included),
                shipped_quantity=line.shipped,
                cancelled_quantity=line.cancelled,
                returned_quantity=line.returned,
            )
            for line in order.lines
        ],
        subtotal=amount(order.subtotal),
        discount=amount(order.discount),
        shipping=amount(order.shipping),
        tax=amount(order.tax),
        tax_included=amount(order.tax_included),
        total=amount(order.total),
        adjustments=adjustments(order),
        cancelled=amount(order.cancelled),
        refunded=amount(order.refunded),
        shipping_address=order.shipping_address,
        awaited_payment=_awaited(order, action),
        created_at=order.created_at,
        workflow_id=order_workflow_id(order.id),
    )


def adjustments(order: OrderView) -> list[Adjustment]:
    """Show what the total of an order consists of beside its lines."""

    def amount(minor: int) -> Money:
        return Money(amount=minor, currency=order.currency)

    return [
        Adjustment(
            type=AdjustmentType(each.type),
            code=each.code,
            label=each.label,
            amount=amount(each.amount),
            lines=[AdjustmentPart(line_id=line, amount=amount(part)) for line, part in each.lines],
        )
        for each in order.adjustments
    ]


def _awaited(order: OrderView, action: BuyersAction | None) -> AwaitedPayment | None:
    if order.status != OrderStatus.PAYMENT_REQUIRED:
        return None
    return AwaitedPayment(
        decline_code=order.decline_code,
        deadline=order.payment_deadline,
        retry_at=order.payment_retry_at,
        action=None if action is None else PaymentAction.model_validate(action),
    )


async def show_accepted(session: AsyncSession, order_id: UUID, cart: CartRow) -> Order:
    """Show an order whose checkout was accepted and has not written it down yet, as its cart says."""
    shown = await quotes.show(session, cart)
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
            OrderLine.model_validate(line).model_copy(update={"line_id": None})
            for line in shown.lines
            if line.unit_price is not None
        ],
        "subtotal": shown.subtotal,
        "discount": shown.discount,
        "shipping": shown.shipping,
        "tax": shown.tax,
        "tax_included": shown.tax_included,
        "total": shown.total,
        "adjustments": [each.model_copy(update={"lines": []}) for each in shown.adjustments],
        "cancelled": money.Money.zero(cart.currency),
        "refunded": money.Money.zero(cart.currency),
        "shipping_address": cart.shipping_address,
        "created_at": None,
        "workflow_id": order_workflow_id(order_id),
    }
    return Order.model_validate(content)
