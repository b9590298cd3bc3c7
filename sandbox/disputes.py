"""Disputes: the buyer's bank takes the money back, and then decides."""

import secrets

from sandbox import objects
from sandbox.calls import Answer, Call
from sandbox.errors import StripeError, no_such
from sandbox.objects import DisputeRow
from sandbox.store import Store, announcement

_OPEN = f"""
    WITH intent AS (
        UPDATE payment_intents AS p SET disputed = TRUE
        WHERE id = $1 AND captured_amount > refunded_amount
            AND NOT EXISTS (SELECT FROM disputes AS d WHERE d.payment_intent = p.id)
        RETURNING *
    ), dispute AS (
        INSERT INTO disputes (id, payment_intent, charge, amount, currency, reason, status)
        SELECT $2, id, latest_charge, captured_amount - refunded_amount, currency, $3, 'needs_response' FROM intent
        RETURNING *
    ), {announcement("SELECT 'charge.dispute.created', row_to_json(dispute) FROM dispute")}
    SELECT row_to_json(dispute) FROM dispute
"""
_CLOSE = f"""
    WITH dispute AS (
        UPDATE disputes SET status = $2 WHERE id = $1 AND status NOT IN ('won', 'lost') RETURNING *
    ), {announcement("SELECT 'charge.dispute.closed', row_to_json(dispute) FROM dispute")}
    SELECT row_to_json(dispute) FROM dispute
"""


async def begin(store: Store, reference: str, reason: str) -> Answer:
    """Play the bank that disputes what was captured of a payment.

    Raises:
        StripeError: nothing is left that could be disputed, or it was disputed already.
    """
    row: DisputeRow | None = await store.run(_OPEN, reference, f"du_{secrets.token_hex(12)}", reason)
    if row is None:
        raise StripeError(400, f"There is nothing to dispute of '{reference}'.")
    return Answer(200, objects.dispute(row))


async def close(store: Store, reference: str, status: str) -> Answer:
    """Play the bank that decides: the dispute is `won` or `lost` by us.

    Raises:
        StripeError: there is no such dispute, or it was decided.
    """
    row: DisputeRow | None = await store.run(_CLOSE, reference, status)
    if row is None:
        raise no_such("dispute", reference, "dispute")
    return Answer(200, objects.dispute(row))


async def holds(store: Store, payment_intent: str) -> bool:
    """Say whether a dispute keeps a payment from being refunded."""
    sql = "SELECT to_json(EXISTS (SELECT FROM disputes WHERE payment_intent = $1 AND status <> 'won'))"
    answer: bool = await store.run(sql, payment_intent)
    return answer


async def retrieve(store: Store, call: Call) -> Answer:
    """Show one dispute."""
    row: DisputeRow | None = await store.row("disputes", call.reference)
    if row is None:
        raise no_such("dispute", call.reference, "dispute")
    return Answer(200, objects.dispute(row))


async def index(store: Store, call: Call) -> Answer:
    """List disputes, of one payment intent or of all, newest first."""
    of = call.form.get("payment_intent")
    rows: list[DisputeRow] = await store.page("disputes", call, "$3::text IS NULL OR payment_intent = $3", of)
    return Answer(200, objects.page("/v1/disputes", [objects.dispute(row) for row in rows], call.limit))
