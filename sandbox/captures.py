"""Authorised money: take it, whole or in parts, let it go, or let its time run out."""

import json

from sandbox.calls import Answer, Call
from sandbox.errors import StripeError
from sandbox.intents import answered, found, refuse
from sandbox.objects import IntentRow
from sandbox.store import EVENT_OF_INTENT, Store, announcement, statement

# A capture without an amount takes all that is left; one of nothing, which lets the rest go, needs an earlier one.
_CAPTURE = statement(
    intent="""
    UPDATE payment_intents SET
        captured_amount = captured_amount + COALESCE($5::bigint, amount - captured_amount),
        status = CASE WHEN $6::boolean THEN 'succeeded' ELSE 'requires_capture' END,
        metadata = (metadata::jsonb || $7::jsonb)::json
    WHERE id = $4 AND status = 'requires_capture' AND authorised_until > clock_timestamp()
        AND COALESCE($5::bigint, amount - captured_amount) <= amount - captured_amount
        AND captured_amount + COALESCE($5::bigint, 1) > 0
        AND ($6::boolean OR multicapture) AND NOT EXISTS (SELECT FROM known)
    RETURNING *"""
)
_CANCEL = statement(
    intent="""
    UPDATE payment_intents SET status = 'canceled', canceled_at = clock_timestamp(), cancellation_reason = $5
    WHERE id = $4 AND captured_amount = 0 AND NOT EXISTS (SELECT FROM known) AND status IN
        ('requires_payment_method', 'requires_confirmation', 'requires_action', 'requires_capture')
    RETURNING *"""
)
_EXPIRE = f"""
    WITH intent AS (
        UPDATE payment_intents SET
            status = CASE WHEN captured_amount > 0 THEN 'succeeded' ELSE 'canceled' END,
            canceled_at = CASE WHEN captured_amount > 0 THEN NULL ELSE clock_timestamp() END,
            cancellation_reason = CASE WHEN captured_amount > 0 THEN NULL ELSE 'automatic' END
        WHERE status = 'requires_capture' AND (id = $1 OR $1::text IS NULL AND authorised_until <= clock_timestamp())
        RETURNING *
    ), {announcement(EVENT_OF_INTENT)}
    SELECT to_json(count(*)) FROM intent
"""


async def capture(store: Store, call: Call) -> Answer:
    """Take authorised money: what is left, or `amount_to_capture`, which lets the rest go unless more is to follow."""
    call.allow("amount_to_capture", "final_capture", "metadata")
    amount = call.amount("amount_to_capture", zero=True)
    final = call.truth("final_capture", default=True)
    stored = await store.change(_CAPTURE, call, 200, call.reference, amount, final, json.dumps(call.metadata))
    if stored is None:
        row = await found(store, call)
        if row["status"] != "requires_capture":
            await refuse(store, call, row, "captured")
        raise _refusal(row, final=final, amount=amount)
    return answered(stored, call)


async def cancel(store: Store, call: Call) -> Answer:
    """Cancel for good; what was authorised is let go."""
    call.allow("cancellation_reason")
    stored = await store.change(_CANCEL, call, 200, call.reference, call.form.get("cancellation_reason"))
    if stored is None:
        await refuse(store, call, await found(store, call), "canceled")
    return answered(stored, call)


async def expire(store: Store, reference: str | None = None) -> int:
    """Let the reservation of one payment run out, or of all whose time has come; return how many it were."""
    count: int = await store.run(_EXPIRE, reference)
    return count


def _refusal(row: IntentRow, *, final: bool, amount: int | None) -> StripeError:
    left = row["amount"] - row["captured_amount"]
    if not final and not row["multicapture"]:
        return StripeError(
            400,
            "This PaymentIntent can not be captured several times.",
            code="payment_intent_unexpected_state",
            param="final_capture",
        )
    if amount is not None and amount > left:
        return StripeError(
            400,
            f"You cannot capture an amount higher than the authorized amount of {left}.",
            code="amount_too_large",
            param="amount_to_capture",
        )
    if amount == 0:
        return StripeError(400, "Invalid positive integer", code="parameter_invalid_integer", param="amount_to_capture")
    return StripeError(400, "The authorization of this PaymentIntent has expired.", code="charge_expired_for_capture")
