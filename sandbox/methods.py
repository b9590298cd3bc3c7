"""Customers and their payment methods."""

import json
import secrets
from dataclasses import dataclass

from sandbox import objects
from sandbox.calls import Answer, Call
from sandbox.cards import CARDS, Card
from sandbox.errors import StripeError, no_such
from sandbox.objects import CustomerRow, MethodRow
from sandbox.store import Store, statement

_CREATE = statement(
    answer="customer",
    events="",
    customer="INSERT INTO customers (id, metadata) SELECT $4, $5 WHERE NOT EXISTS (SELECT FROM known) RETURNING *",
)
_ATTACH = statement(
    answer="method",
    events="",
    method="""
    INSERT INTO payment_methods (id, card, customer) SELECT $4, $5, id FROM customers
    WHERE id = $6 AND NOT deleted AND NOT EXISTS (SELECT FROM known) FOR SHARE
    RETURNING *""",
)
_DELETE = statement(
    answer="customer",
    events="",
    customer="""
    UPDATE customers SET deleted = TRUE WHERE id = $4 AND NOT deleted AND NOT EXISTS (SELECT FROM known) RETURNING *""",
    detached="UPDATE payment_methods SET customer = NULL WHERE customer IN (SELECT id FROM customer) RETURNING id",
)


@dataclass(frozen=True, slots=True)
class Instrument:
    """The card behind a payment method. `saved`: it was left with a customer before."""

    id: str
    token: str
    card: Card
    saved: bool = False


async def instrument(store: Store, method: str, customer: str | None, *, used: bool = False) -> Instrument:
    """Find what a payment is to be made with: a test token becomes a method of its own each time, as it does at Stripe.

    `used` is for the payment that a method belongs to already; else it has to be the customer's.

    Raises:
        StripeError: there is no such method, or it is another's, or it was used up.
    """
    if method in CARDS:
        return Instrument(f"pm_{secrets.token_hex(12)}", method, CARDS[method])
    row: MethodRow | None = await store.row("payment_methods", method)
    if row is None:
        raise no_such("PaymentMethod", method, "payment_method", 400)
    if not used and (row["customer"] is None or row["customer"] != customer):
        raise StripeError(
            400,
            "The provided PaymentMethod was previously used without being attached to this Customer,"
            " and may not be used again.",
            code="payment_method_unexpected_state",
            param="payment_method",
        )
    return Instrument(row["id"], row["card"], CARDS[row["card"]], saved=row["customer"] is not None)


async def create_customer(store: Store, call: Call) -> Answer:
    """Create a customer."""
    call.allow("metadata", "description", "email", "name")
    stored = await store.change(_CREATE, call, 200, f"cus_{secrets.token_hex(8)}", json.dumps(call.metadata))
    if stored is None:  # a create always has an outcome
        raise StripeError(500, "An unknown error occurred.", kind="api_error")
    return Answer(stored.status, objects.customer(stored.snapshot), stored.replayed)


async def require_customer(store: Store, customer: str) -> None:
    """Refuse what is wanted for a customer who is not there, or was deleted.

    Raises:
        StripeError: `resource_missing`.
    """
    row: CustomerRow | None = await store.row("customers", customer)
    if row is None or row["deleted"]:
        raise no_such("customer", customer, "customer", 400)


async def delete_customer(store: Store, call: Call) -> Answer:
    """Delete a customer, and take all methods from them. What was paid stays."""
    stored = await store.change(_DELETE, call, 200, call.reference)
    if stored is None:
        raise no_such("customer", call.reference, "id")
    return Answer(stored.status, objects.customer(stored.snapshot), stored.replayed)


async def retrieve_customer(store: Store, call: Call) -> Answer:
    """Show one customer."""
    row = await store.row("customers", call.reference)
    if row is None:
        raise no_such("customer", call.reference, "id")
    return Answer(200, objects.customer(row))


async def attach(store: Store, call: Call) -> Answer:
    """Leave a test card with a customer; the bank is asked whether it may."""
    call.allow("customer")
    customer = call.required("customer")
    await require_customer(store, customer)
    held: MethodRow | None = await store.row("payment_methods", call.reference)
    if held is not None and held["customer"] == customer:
        return Answer(200, objects.payment_method(held))
    used = await instrument(store, call.reference, customer)
    if used.card.decline is not None and not used.card.saves:
        decline = used.card.decline
        raise StripeError(402, decline.message, kind="card_error", code=decline.code)
    stored = await store.change(_ATTACH, call, 200, used.id, used.token, customer)
    if stored is None:  # they were deleted just now
        raise no_such("customer", customer, "customer", 400)
    return Answer(stored.status, objects.payment_method(stored.snapshot), stored.replayed)


async def retrieve(store: Store, call: Call) -> Answer:
    """Show one payment method."""
    row: MethodRow | None = await store.row("payment_methods", call.reference)
    if row is None and call.reference in CARDS:
        row = MethodRow(id=call.reference, card=call.reference, customer=None, created_at="2026-01-01T00:00:00Z")
    if row is None:
        raise no_such("PaymentMethod", call.reference, "payment_method")
    return Answer(200, objects.payment_method(row))


async def index(store: Store, call: Call) -> Answer:
    """List a customer's payment methods, newest first."""
    customer = call.required("customer")
    await require_customer(store, customer)
    rows: list[MethodRow] = await store.page("payment_methods", call, "customer = $3", customer)
    shown = [objects.payment_method(row) for row in rows]
    return Answer(200, objects.page("/v1/payment_methods", shown, call.limit))
