"""Refunds: give captured money back, never more than was captured, however many ask at once."""

import json
import secrets

from sandbox import disputes, objects
from sandbox.calls import Answer, Call
from sandbox.cards import CARDS, Card
from sandbox.errors import StripeError, no_such
from sandbox.objects import IntentRow, RefundRow
from sandbox.store import Store, announcement, statement

_REFUND = statement(
    answer="refund",
    events="SELECT 'charge.refunded', row_to_json(intent) FROM intent",
    intent="""
    UPDATE payment_intents AS p SET refunded_amount = refunded_amount + $5::bigint
    WHERE id = $4 AND captured_amount > 0 AND refunded_amount + $5::bigint <= captured_amount
        AND NOT EXISTS (SELECT FROM known) AND NOT EXISTS (
            SELECT FROM disputes AS d WHERE d.payment_intent = p.id AND d.status <> 'won')
    RETURNING *""",
    refund="""
    INSERT INTO refunds (id, payment_intent, charge, amount, currency, reason, metadata, status, settles_at, settles_as)
    SELECT $6, id, latest_charge, $5::bigint, currency, $7, $8, $9::text,
        CASE WHEN $10::text IS NOT NULL THEN clock_timestamp() + (SELECT delay FROM delays WHERE name = 'refund') END,
        $10::text
    FROM intent RETURNING *""",
)
_SETTLE = f"""
    WITH settled AS (
        UPDATE refunds SET status = COALESCE($2, settles_as), settles_at = NULL, settles_as = NULL
        WHERE id = $1 AND status <> 'failed' AND COALESCE($2, settles_as) <> status RETURNING *
    ), intent AS (
        UPDATE payment_intents AS p SET refunded_amount = refunded_amount - settled.amount
        FROM settled WHERE p.id = settled.payment_intent AND settled.status = 'failed'
    ), {
    announcement('''SELECT CASE status WHEN 'failed' THEN 'refund.failed' ELSE 'refund.updated' END,
        row_to_json(settled) FROM settled''')
}
    SELECT row_to_json(settled) FROM settled
"""
_DUE = "SELECT json_agg(id) FROM refunds WHERE settles_at <= clock_timestamp()"


async def create(store: Store, call: Call) -> Answer:
    """Refund `amount` of a payment intent, or all that is left of it."""
    call.allow("payment_intent", "amount", "reason", "metadata")
    reference = call.required("payment_intent")
    row = await _intent(store, reference)
    amount = call.amount("amount") or _rest(row)
    status, settles_as = _course(row, call)
    stored = await store.change(
        _REFUND,
        call,
        200,
        reference,
        amount,
        f"re_{secrets.token_hex(12)}",
        call.form.get("reason"),
        json.dumps(call.metadata),
        status,
        settles_as,
    )
    if stored is None:
        refusal = await _refusal(store, await _intent(store, reference), amount)
        await store.remember(call, refusal.status, refusal.body)
        return Answer(refusal.status, refusal.body)
    body = objects.refund(stored.snapshot) if stored.status == 200 else stored.snapshot
    return Answer(stored.status, body, stored.replayed)


async def settle(store: Store, reference: str, status: str | None = None) -> Answer:
    """End a refund that is pending, or have one that had succeeded fail; without a status, as its card does.

    Raises:
        StripeError: there is no such refund, or it has ended so already.
    """
    row: RefundRow | None = await store.run(_SETTLE, reference, status)
    if row is None:
        raise no_such("refund", reference, "refund")
    return Answer(200, objects.refund(row))


async def settle_due(store: Store) -> int:
    """End every refund whose time has come; return how many it were."""
    due: list[str] = await store.run(_DUE) or []
    for reference in due:
        await store.run(_SETTLE, reference, None)
    return len(due)


async def retrieve(store: Store, call: Call) -> Answer:
    """Show one refund."""
    row: RefundRow | None = await store.row("refunds", call.reference)
    if row is None:
        raise no_such("refund", call.reference, "refund")
    return Answer(200, objects.refund(row))


async def index(store: Store, call: Call) -> Answer:
    """List refunds, of one payment intent or of all, newest first."""
    of = call.form.get("payment_intent")
    rows: list[RefundRow] = await store.page("refunds", call, "$3::text IS NULL OR payment_intent = $3", of)
    return Answer(200, objects.page("/v1/refunds", [objects.refund(row) for row in rows], call.limit))


async def _intent(store: Store, reference: str) -> IntentRow:
    row = await store.intent(reference)
    if row is None:
        raise no_such("payment_intent", reference, "payment_intent")
    return row


def _course(row: IntentRow, call: Call) -> tuple[str, str | None]:
    """Return the state that a refund begins with, and the one that it comes to by itself."""
    if call.told:
        return "pending", None
    card = CARDS.get(row["card"] or "", Card())
    return {"pending": ("pending", "succeeded"), "fails": ("succeeded", "failed")}.get(card.refund, ("succeeded", None))


def _rest(row: IntentRow) -> int:
    """Return what may still be refunded, at least 1, so that a refund of nothing is refused like one of too much."""
    return max(row["captured_amount"] - row["refunded_amount"], 1)


async def _refusal(store: Store, row: IntentRow, amount: int) -> StripeError:
    left = row["captured_amount"] - row["refunded_amount"]
    if not row["captured_amount"]:
        return StripeError(
            400,
            f"This PaymentIntent ({row['id']}) does not have a successful charge to refund.",
            code="payment_intent_unexpected_state",
            param="payment_intent",
        )
    if row["disputed"] and await disputes.holds(store, row["id"]):
        return StripeError(400, f"Charge {row['latest_charge']} has been charged back.", code="charge_disputed")
    if left == 0:
        return StripeError(
            400, f"Charge {row['latest_charge']} has already been refunded.", code="charge_already_refunded"
        )
    return StripeError(
        400, f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", param="amount"
    )
