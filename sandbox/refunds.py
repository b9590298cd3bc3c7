"""Refunds: give captured money back, never more than was captured, however many ask at once."""

import json
import secrets

from sandbox import objects
from sandbox.calls import Answer, Call
from sandbox.errors import StripeError, no_such
from sandbox.objects import IntentRow
from sandbox.store import Store, statement

_REFUND = statement(
    """
    UPDATE payment_intents SET refunded_amount = refunded_amount + $6::bigint
    WHERE id = $5 AND status = 'succeeded' AND refunded_amount + $6::bigint <= captured_amount
        AND NOT EXISTS (SELECT FROM known)
    RETURNING *""",
    refund="""
    INSERT INTO refunds (id, payment_intent, charge, amount, currency, reason, metadata)
    SELECT $7, intent.id, intent.latest_charge, $6::bigint, intent.currency, $8, $9 FROM intent
    RETURNING *""",
)


async def create(store: Store, call: Call) -> Answer:
    """Refund `amount` of a payment intent, or all that is left of it."""
    call.allow("payment_intent", "amount", "reason", "metadata")
    reference = call.required("payment_intent")
    amount = call.amount("amount") or await _rest(store, reference)
    stored = await store.change(
        _REFUND,
        call,
        200,
        reference,
        amount,
        f"re_{secrets.token_hex(12)}",
        call.form.get("reason"),
        json.dumps(call.metadata),
    )
    if stored is None:
        refusal = _refusal(await _intent(store, reference), amount)
        await store.remember(call, refusal.status, refusal.body)
        return Answer(refusal.status, refusal.body)
    body = objects.refund(stored.snapshot) if stored.status == 200 else stored.snapshot
    return Answer(stored.status, body, stored.replayed)


async def retrieve(store: Store, call: Call) -> Answer:
    """Show one refund."""
    row = await store.refund(call.reference)
    if row is None:
        raise no_such("refund", call.reference, "refund")
    return Answer(200, objects.refund(row))


async def index(store: Store, call: Call) -> Answer:
    """List refunds, of one payment intent or of all, newest first."""
    limit = min(call.amount("limit") or 10, 100)
    rows = await store.refunds(call.form.get("payment_intent"), call.form.get("starting_after"), limit + 1)
    return Answer(200, objects.page("/v1/refunds", [objects.refund(row) for row in rows], limit))


async def _intent(store: Store, reference: str) -> IntentRow:
    row = await store.intent(reference)
    if row is None:
        raise no_such("payment_intent", reference, "payment_intent")
    return row


async def _rest(store: Store, reference: str) -> int:
    """Return what may still be refunded, at least 1, so that a refund of nothing is refused like one of too much."""
    row = await _intent(store, reference)
    return max(row["captured_amount"] - row["refunded_amount"], 1)


def _refusal(row: IntentRow, amount: int) -> StripeError:
    left = row["captured_amount"] - row["refunded_amount"]
    if row["status"] != "succeeded":
        return StripeError(
            400,
            f"This PaymentIntent ({row['id']}) does not have a successful charge to refund.",
            code="payment_intent_unexpected_state",
            param="payment_intent",
        )
    if left == 0:
        return StripeError(
            400, f"Charge {row['latest_charge']} has already been refunded.", code="charge_already_refunded"
        )
    return StripeError(
        400, f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", param="amount"
    )
