"""Payment intents: create, confirm, capture, cancel, authenticate, and look up."""

import json
import secrets
from dataclasses import dataclass, replace

from sandbox import objects
from sandbox.calls import Answer, Call
from sandbox.cards import AUTHENTICATION_FAILED, CARDS, Card, Decline
from sandbox.errors import StripeError, missing, no_such
from sandbox.objects import IntentRow, Json
from sandbox.store import Store, Stored, statement

_CREATE = statement("""
    INSERT INTO payment_intents (id, order_id, amount, currency, capture_method, metadata, payment_method, status,
        captured_amount, last_payment_error, latest_charge)
    SELECT $5, $6, $7::bigint, $8, $9, $10, $11, $12::text,
        CASE WHEN $12::text = 'succeeded' THEN $7::bigint ELSE 0 END, $13, $14
    WHERE NOT EXISTS (SELECT FROM known)
    RETURNING *""")
# What a confirmation comes to, $6, is null for an authorised payment: then the capture method decides.
_CONFIRM = statement("""
    UPDATE payment_intents SET
        status = COALESCE($6::text, CASE capture_method WHEN 'manual' THEN 'requires_capture' ELSE 'succeeded' END),
        captured_amount = CASE WHEN $6::text IS NULL AND capture_method <> 'manual' THEN amount ELSE 0 END,
        payment_method = $7, last_payment_error = $8, latest_charge = $9
    WHERE id = $5 AND status = ANY ($10::text[]) AND NOT EXISTS (SELECT FROM known)
    RETURNING *""")
_CAPTURE = statement("""
    UPDATE payment_intents SET status = 'succeeded', captured_amount = COALESCE($6::bigint, amount)
    WHERE id = $5 AND status = 'requires_capture' AND COALESCE($6::bigint, amount) <= amount
        AND NOT EXISTS (SELECT FROM known)
    RETURNING *""")
_CANCEL = statement("""
    UPDATE payment_intents SET status = 'canceled', canceled_at = clock_timestamp(), cancellation_reason = $6
    WHERE id = $5 AND NOT EXISTS (SELECT FROM known) AND status IN
        ('requires_payment_method', 'requires_confirmation', 'requires_action', 'requires_capture')
    RETURNING *""")
_CONFIRMABLE = ["requires_payment_method", "requires_confirmation", "requires_action"]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What an intent comes to. No status: it is authorised, and its capture method says whether it is captured too."""

    status: str | None
    method: str | None
    error: str | None = None
    charge: str | None = None


async def create(store: Store, call: Call) -> Answer:
    """Create a payment intent, and with `confirm` confirm it at once."""
    call.allow(
        *("amount", "currency", "capture_method", "confirm", "payment_method", "metadata", "description"),
        *("allowed_payment_method_types", "automatic_payment_methods", *_payment_method_types(call)),
        *("confirmation_method", "receipt_email", "return_url", "off_session", "setup_future_usage", "shipping"),
        *("customer", "payment_method_options"),
    )
    amount = call.amount("amount")
    if amount is None:
        raise missing("amount")
    capture_method = call.form.get("capture_method", "automatic")
    method = call.form.get("payment_method")
    begin = _beginning(method, capture_method, confirm=call.form.get("confirm") == "true")
    stored = await store.change(
        _CREATE,
        call,
        402 if begin.error else 200,
        f"pi_{secrets.token_hex(12)}",
        call.metadata.get("order_id"),
        amount,
        call.required("currency").lower(),
        capture_method,
        json.dumps(call.metadata),
        begin.method,
        begin.status,
        begin.error,
        begin.charge,
    )
    return _answer(stored, call)


async def confirm(store: Store, call: Call) -> Answer:
    """Ask the card for its money."""
    call.allow(
        *("payment_method", "allowed_payment_method_types", *_payment_method_types(call)),
        *("capture_method", "return_url", "off_session", "receipt_email"),
    )
    method = call.form.get("payment_method") or (await _found(store, call))["payment_method"]
    if method is None:
        raise StripeError(
            400,
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
        )
    card = _card(method)
    return await _settle(store, call, method, card.decline, _CONFIRMABLE, authenticates=card.authenticates)


async def authenticate(store: Store, call: Call, *, passes: bool) -> Answer:
    """Play the buyer who was asked to authenticate: the bank lets the payment pass, or does not."""
    method = (await _found(store, call))["payment_method"]
    decline = _card(method).decline if method and passes else AUTHENTICATION_FAILED
    return await _settle(store, call, method or "", decline, ["requires_action"], authenticates=False)


async def capture(store: Store, call: Call) -> Answer:
    """Take authorised money: all of it, or `amount_to_capture`, which lets the rest go."""
    call.allow("amount_to_capture", "final_capture", "metadata")
    amount = call.amount("amount_to_capture")
    stored = await store.change(_CAPTURE, call, 200, call.reference, amount)
    if stored is None:
        row = await _found(store, call)
        if row["status"] == "requires_capture":
            raise StripeError(
                400,
                f"You cannot capture an amount higher than the authorized amount of {row['amount']}.",
                code="amount_too_large",
                param="amount_to_capture",
            )
        return await _refuse(store, call, row, "captured")
    return _answer(stored, call)


async def cancel(store: Store, call: Call) -> Answer:
    """Cancel for good; what was authorised is let go."""
    call.allow("cancellation_reason")
    stored = await store.change(_CANCEL, call, 200, call.reference, call.form.get("cancellation_reason"))
    return _answer(stored, call) if stored else await _refuse(store, call, await _found(store, call), "canceled")


async def retrieve(store: Store, call: Call) -> Answer:
    """Show one payment intent."""
    return Answer(200, objects.intent(await _found(store, call), expand=call.expands_charge))


async def index(store: Store, call: Call) -> Answer:
    """List payment intents, newest first."""
    limit = min(call.amount("limit") or 10, 100)
    rows = await store.intents(call.form.get("starting_after"), limit + 1)
    shown = [objects.intent(row, expand=call.expands_charge) for row in rows]
    return Answer(200, objects.page("/v1/payment_intents", shown, limit))


async def _settle(
    store: Store, call: Call, method: str, decline: Decline | None, states: list[str], *, authenticates: bool
) -> Answer:
    end = _outcome(method, decline, authenticates=authenticates)
    status = 402 if end.error else 200
    stored = await store.change(
        _CONFIRM, call, status, call.reference, end.status, end.method, end.error, end.charge, states
    )
    return _answer(stored, call) if stored else await _refuse(store, call, await _found(store, call), "confirmed")


def _payment_method_types(call: Call) -> tuple[str, ...]:
    """Return the parameter's name as long as the API version has it: it ended with 2026-09-30."""
    if call.version < "2026-09-30":
        return ("payment_method_types",)
    if any(name.startswith("payment_method_types") for name in call.form):
        raise StripeError(
            400,
            "The payment_method_types parameter is no longer supported.",
            code="payment_method_types_no_longer_supported",
            param="payment_method_types",
        )
    return ()


def _beginning(method: str | None, capture_method: str, *, confirm: bool) -> _Outcome:
    """Return how an intent begins: without a card, with one, or confirmed at once."""
    if method is None:
        return _Outcome("requires_payment_method", None)
    card = _card(method)
    if not confirm:
        return _Outcome("requires_confirmation", method)
    end = _outcome(method, card.decline, authenticates=card.authenticates)
    if end.status:
        return end
    return replace(end, status="requires_capture" if capture_method == "manual" else "succeeded")


def _outcome(method: str, decline: Decline | None, *, authenticates: bool) -> _Outcome:
    """Return what a confirmation comes to."""
    if authenticates:
        return _Outcome("requires_action", method)
    charge = f"ch_{secrets.token_hex(12)}"
    if decline is None:
        return _Outcome(None, method, None, charge)
    return _Outcome("requires_payment_method", None, _payment_error(decline, method, charge), charge)


async def _found(store: Store, call: Call) -> IntentRow:
    row = await store.intent(call.reference)
    if row is None:
        raise no_such("payment_intent", call.reference, "intent")
    return row


async def _refuse(store: Store, call: Call, row: IntentRow, verb: str) -> Answer:
    """Refuse what the state does not allow. The key remembers it: the request was carried out, and the answer is no."""
    refusal = StripeError(
        400,
        f"This PaymentIntent could not be {verb} because it has a status of {row['status']}.",
        code="payment_intent_unexpected_state",
    )
    await store.remember(call, refusal.status, refusal.body)
    return Answer(refusal.status, refusal.body)


def _answer(stored: Stored | None, call: Call) -> Answer:
    if stored is None:  # a create always has an outcome
        raise StripeError(500, "An unknown error occurred.", kind="api_error")
    if stored.status not in {200, 402}:
        return Answer(stored.status, stored.snapshot, stored.replayed)
    row: IntentRow = stored.snapshot
    if stored.status == 402 and row["last_payment_error"]:
        error: Json = {**row["last_payment_error"], "payment_intent": objects.intent(row)}
        return Answer(402, {"error": error}, stored.replayed)
    return Answer(200, objects.intent(row, expand=call.expands_charge), stored.replayed)


def _card(method: str) -> Card:
    card = CARDS.get(method)
    if card is None:
        raise no_such("PaymentMethod", method, "payment_method", 400)
    return card


def _payment_error(decline: Decline, method: str, charge: str) -> str:
    return json.dumps(
        {
            "type": "card_error",
            "code": decline.code,
            "decline_code": decline.decline_code,
            "message": decline.message,
            "charge": charge,
            "payment_method": {"id": method, "object": "payment_method", "type": "card"},
        }
    )
