"""What stands in the way of the lines of a cart, told before its checkout is refused."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from api.schemas.carts import LineProblem
from api.schemas.money import Money
from db.carts import CartLineRow, CartRow
from domain.errors import CurrencyUnavailableError, InsufficientStockError, UnknownSkuError
from domain.order_states import FailureReason
from models.carts import CartStatus


def skus_to_look_up(cart: CartRow, rows: Sequence[CartLineRow]) -> Collection[str]:
    """Name the SKUs whose stock matters: a cart in checkout holds its own, and one that is over needs none."""
    return {row.sku for row in rows if row.sold} if cart.status is CartStatus.OPEN else set()


def problems_of(cart: CartRow, rows: Sequence[CartLineRow], sellable: Mapping[str, int]) -> Sequence[list[LineProblem]]:
    """Tell the problems of each line. Lines of one SKU are summed, as a checkout sums them.

    `sellable` is how much there is of the SKUs that were looked up.
    """
    wanted: Counter[str] = Counter()
    for row in rows:
        wanted[row.sku] += row.quantity
    short = {sku: available for sku, available in sellable.items() if available < wanted[sku]}
    return [_of_line(row, cart, short) for row in rows]


def _of_line(row: CartLineRow, cart: CartRow, short: Mapping[str, int]) -> list[LineProblem]:
    if not row.sold:
        return [LineProblem(code=UnknownSkuError.code)]
    found = []
    if row.unit_price is None:
        found.append(LineProblem(code=CurrencyUnavailableError.code))
    elif cart.status is CartStatus.OPEN and row.seen_unit_price not in {None, row.unit_price}:
        seen = Money(amount=row.seen_unit_price, currency=cart.currency)
        found.append(LineProblem(code=FailureReason.PRICE_CHANGED, seen_unit_price=seen))
    if row.sku in short:
        found.append(LineProblem(code=InsufficientStockError.code, available=max(short[row.sku], 0)))
    return found
