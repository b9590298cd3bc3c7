"""One invoice through the shop, as a buyer would: cart, lines, address, checkout, and asking again until it is settled.

Each step may be repeated: the invoice number names the cart, and a cart becomes one order, however often it is
checked out.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from cli.retail.buyers import address_of, email_of
from cli.retail.http import Answer, Api, encoded
from cli.retail.invoices import Invoice, Sale
from cli.retail.patience import OutOfPatienceError, Patience
from domain.money import Money
from domain.order_states import OrderStatus

MOST_LINES = 1_000
"""A cart takes no more."""

_TAKEN = {"cart_in_checkout", "cart_checked_out"}
_UNSETTLED = {OrderStatus.PENDING, OrderStatus.CANCELLING}
_NOT_PLACED = {OrderStatus.PAYMENT_REQUIRED, OrderStatus.FAILED, OrderStatus.CANCELLED}


@dataclass(frozen=True, slots=True)
class Placed:
    """An invoice is an order. `already_there` says that it was before. Times are seconds."""

    invoice: str
    subtotal: Money
    already_there: bool
    checkout_seconds: float
    seconds: float


class NotPlacedError(Exception):
    """An invoice did not become an order; the message says why."""


async def place(api: Api, invoice: Invoice, patience: float) -> Placed:
    """Make an invoice an order, or find the order that it is already.

    Raises:
        NotPlacedError: the shop refused it, or nothing went on for `patience` seconds.
        CommandError: the API does not accept the token.
    """
    return await _Purchase(api, invoice, patience).run()


class _Purchase:
    """The conversation about one invoice. Patience is renewed by every step forward, not by every answer."""

    def __init__(self, api: Api, invoice: Invoice, patience: float) -> None:
        self._api = api
        self._invoice = invoice
        self._patience = Patience(patience)

    async def run(self) -> Placed:
        started = monotonic()
        cart = await self._open_cart()
        if cart["status"] == "open":
            await self._fill(cart["id"])
        at_checkout = monotonic()
        order = await self._check_out(cart["id"])
        settled = monotonic()
        if order["status"] in _NOT_PLACED:
            raise NotPlacedError(f"{order['status']} {order.get('reason') or ''}".strip())
        return Placed(
            invoice=self._invoice.number,
            subtotal=Money(order["subtotal"]["amount"], order["subtotal"]["currency"]),
            already_there=cart["status"] == "ordered",
            checkout_seconds=settled - at_checkout,
            seconds=settled - started,
        )

    async def _open_cart(self) -> dict[str, Any]:
        body = {"currency": self._invoice.total.currency, "reference": self._invoice.number}
        return self._accepted(await self._ask("POST", "/v1/carts", body))

    async def _fill(self, cart_id: str) -> None:
        """Put everything into the cart, unless an earlier run has it at the checkout already.

        Every answer is the whole cart, so its many lines come last.
        """
        buyer = {"email": email_of(self._invoice), "shipping_address": address_of(self._invoice)}
        for method, path, body in (
            ("PATCH", f"/v1/carts/{cart_id}", buyer),
            ("PUT", f"/v1/carts/{cart_id}/lines", {"lines": self._lines()}),
        ):
            answer = await self._ask(method, path, body)
            if answer.code in _TAKEN:
                return
            self._accepted(answer)

    async def _check_out(self, cart_id: str) -> dict[str, Any]:
        total = self._invoice.total
        body = {
            "payment_method": {"token": "pm_card_visa"},
            "expected_total": {"amount": total.amount, "currency": total.currency},
        }
        while (answer := await self._ask("POST", f"/v1/carts/{cart_id}/checkout", body)).code == "cart_in_checkout":
            await self._wait(answer)
        accepted = self._accepted(answer)
        if answer.status != 202:
            return accepted
        return await self._settled(str(accepted["order_id"]))

    async def _settled(self, order_id: str) -> dict[str, Any]:
        """Wait for the outcome of a checkout that was accepted."""
        while True:
            answer = await self._ask("GET", f"/v1/orders/{order_id}")
            if answer.status == 404 or answer.body.get("status") in _UNSETTLED:
                await self._wait(answer)
                continue
            return self._accepted(answer)

    async def _ask(self, method: str, path: str, body: object = None) -> Answer:
        """Ask until there is an answer that counts."""
        content = None if body is None else encoded(body)
        while (answer := await self._api.ask(method, path, content)).passing:
            await self._wait(answer)
        return answer

    async def _wait(self, answer: Answer) -> None:
        try:
            await self._patience.wait(answer.retry_after)
        except OutOfPatienceError:
            raise NotPlacedError(f"no progress in {self._patience.limit:.0f} s, last: {answer}") from None

    def _accepted(self, answer: Answer) -> dict[str, Any]:
        """Take an answer as a step forward."""
        if answer.status >= 400:
            raise NotPlacedError(str(answer))
        self._patience.renew()
        return answer.body

    def _lines(self) -> list[dict[str, object]]:
        sales = _fitting(self._invoice.sales)
        currency = self._invoice.total.currency
        return [
            {
                "sku": sale.sku,
                "quantity": sale.quantity,
                "unit_price": {"amount": sale.unit_price, "currency": currency},
            }
            for sale in sales
        ]


def _fitting(sales: Sequence[Sale]) -> Sequence[Sale]:
    """Join what is the same SKU at the same price, but only where there are more lines than a cart takes."""
    if len(sales) <= MOST_LINES:
        return sales
    quantities: Counter[tuple[str, int]] = Counter()
    for sale in sales:
        quantities[sale.sku, sale.unit_price] += sale.quantity
    return [Sale(sku, quantity, price) for (sku, price), quantity in quantities.items()]
