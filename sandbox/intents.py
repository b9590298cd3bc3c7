"""Payment intents: create, confirm, authenticate, and look up."""

import json
import secrets
from dataclasses import dataclass, replace
from typing import NoReturn

from sandbox import objects
from sandbox.calls import Answer, Call
from sandbox.cards import AUTHENTICATION_FAILED, AUTHENTICATION_REQUIRED, Card, Decline, declines_as
from sandbox.errors import StripeError, missing, no_such
from sandbox.methods import Instrument, instrument, require_customer
from sandbox.objects import IntentRow, Json
from sandbox.store import Store, Stored, statement

_UNTIL = "clock_timestamp() + (SELECT delay FROM delays WHERE name = 'authorisation')"
# A method is born when it is used, and stays with the customer where the intent says so and the money is there.
_METHOD = """
    INSERT INTO payment_methods (id, card, customer)
    SELECT {id}::text, {card}::text, CASE WHEN setup_future_usage = 'off_session'
        AND status IN ('requires_capture', 'succeeded') THEN
        (SELECT c.id FROM customers AS c WHERE c.id = intent.customer AND NOT c.deleted) END
    FROM intent WHERE {id}::text IS NOT NULL
    ON CONFLICT (id) DO UPDATE SET customer = COALESCE(payment_methods.customer, excluded.customer)
    RETURNING id"""
_CREATE = statement(
    intent=f"""
    INSERT INTO payment_intents (id, order_id, amount, currency, capture_method, metadata, payment_method, status,
        captured_amount, last_payment_error, latest_charge, card, customer, setup_future_usage, multicapture,
        authorised_until)
    SELECT $4, $5, $6::bigint, $7, $8, $9, CASE WHEN $12::json IS NULL THEN $10::text END, $11::text,
        CASE WHEN $11::text = 'succeeded' THEN $6::bigint ELSE 0 END, $12::json, $13, $14::text, $15, $16, $17,
        CASE WHEN $11::text = 'requires_capture' THEN {_UNTIL} END
    WHERE NOT EXISTS (SELECT FROM known)
    RETURNING *""",
    method=_METHOD.format(id="$10", card="$14"),
)
# What a confirmation comes to, $5, is null for an authorised payment: then the capture method decides.
_CONFIRM = statement(
    intent=f"""
    UPDATE payment_intents SET
        status = COALESCE($5::text, CASE capture_method WHEN 'manual' THEN 'requires_capture' ELSE 'succeeded' END),
        captured_amount = CASE WHEN $5::text IS NULL AND capture_method <> 'manual' THEN amount ELSE 0 END,
        payment_method = CASE WHEN $7::json IS NULL THEN $6::text END, last_payment_error = $7::json,
        latest_charge = $8, card = $10::text, multicapture = multicapture AND $11,
        authorised_until = CASE WHEN $5::text IS NULL AND capture_method = 'manual' THEN {_UNTIL} END
    WHERE id = $4 AND status = ANY ($9::text[]) AND NOT EXISTS (SELECT FROM known)
    RETURNING *""",
    method=_METHOD.format(id="$6", card="$10"),
)
_UPDATE = statement(
    events="",
    intent="""
    UPDATE payment_intents SET customer = COALESCE($5, customer), metadata = (metadata::jsonb || $6::jsonb)::json
    WHERE id = $4 AND status = ANY ($7::text[]) AND NOT EXISTS (SELECT FROM known)
    RETURNING *""",
)
_CONFIRMABLE = ["requires_payment_method", "requires_confirmation", "requires_action"]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What an intent comes to. No status: it is authorised, and its capture method says whether it is captured too."""

    status: str | None
    error: str | None = None
    charge: str | None = None


async def create(store: Store, call: Call) -> Answer:
    """Create a payment intent, and with `confirm` confirm it at once."""
    call.allow(
        *("amount", "currency", "capture_method", "confirm", "payment_method", "metadata", "description", "customer"),
        *("allowed_payment_method_types", "automatic_payment_methods", *_payment_method_types(call)),
        *("confirmation_method", "receipt_email", "return_url", "off_session", "setup_future_usage", "shipping"),
        "payment_method_options",
    )
    amount = call.amount("amount")
    if amount is None:
        raise missing("amount")
    capture_method = call.form.get("capture_method", "automatic")
    customer = await _customer(store, call)
    used = await _named(store, call, customer)
    begin = _beginning(call, used, capture_method)
    several = call.form.get("payment_method_options[card][request_multicapture]") == "if_available"
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
        used.id if used else None,
        begin.status,
        begin.error,
        begin.charge,
        used.token if used else None,
        customer,
        call.form.get("setup_future_usage"),
        several and (used is None or used.card.multicapture),
    )
    return answered(stored, call)


async def update(store: Store, call: Call) -> Answer:
    """Change whose payment it is, or its metadata, before it is confirmed."""
    call.allow("customer", "metadata")
    customer = await _customer(store, call)
    stored = await store.change(_UPDATE, call, 200, call.reference, customer, json.dumps(call.metadata), _CONFIRMABLE)
    if stored is None:
        await refuse(store, call, await found(store, call), "updated")
    return answered(stored, call)


async def confirm(store: Store, call: Call) -> Answer:
    """Ask the card for its money."""
    call.allow(
        *("payment_method", "allowed_payment_method_types", *_payment_method_types(call)),
        *("capture_method", "return_url", "off_session", "receipt_email"),
    )
    row = await found(store, call)
    method = call.form.get("payment_method") or row["payment_method"]
    if method is None:
        raise StripeError(
            400,
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
        )
    used = await instrument(store, method, row["customer"])
    return await _settle(store, call, used, _verdict(call, used), _CONFIRMABLE)


async def authenticate(store: Store, call: Call, *, passes: bool) -> Answer:
    """Play the buyer who was asked to authenticate: the bank lets the payment pass, or does not."""
    row = await found(store, call)
    if row["status"] != "requires_action" or row["payment_method"] is None:
        await refuse(store, call, row, "authenticated")
    used = await instrument(store, row["payment_method"] or "", row["customer"], used=True)
    decline = used.card.decline if passes else AUTHENTICATION_FAILED
    return await _settle(store, call, used, decline, ["requires_action"])


async def retrieve(store: Store, call: Call) -> Answer:
    """Show one payment intent."""
    [shown] = await _shown(store, call, [await found(store, call)])
    return Answer(200, shown)


async def index(store: Store, call: Call) -> Answer:
    """List payment intents, newest first: all, a customer's, or those since a time."""
    since = call.moment("created[gte]")
    rows: list[IntentRow] = await store.page(
        "payment_intents",
        call,
        "($3::text IS NULL OR customer = $3) AND ($4::bigint IS NULL OR created_at >= to_timestamp($4::bigint))",
        call.form.get("customer"),
        since,
    )
    return Answer(200, objects.page("/v1/payment_intents", await _shown(store, call, rows), call.limit))


async def found(store: Store, call: Call) -> IntentRow:
    """Return the payment intent that a call is about.

    Raises:
        StripeError: there is none.
    """
    row = await store.intent(call.reference)
    if row is None:
        raise no_such("payment_intent", call.reference, "intent")
    return row


async def refuse(store: Store, call: Call, row: IntentRow, verb: str) -> NoReturn:
    """Refuse what the state does not allow. The key remembers it: the request was carried out, and the answer is no.

    Raises:
        StripeError: `payment_intent_unexpected_state`.
    """
    refusal = StripeError(
        400,
        f"This PaymentIntent could not be {verb} because it has a status of {row['status']}.",
        code="payment_intent_unexpected_state",
    )
    await store.remember(call, refusal.status, refusal.body)
    raise refusal


def answered(stored: Stored | None, call: Call) -> Answer:
    """Show the payment intent that a change has left, or what its key brought back."""
    if stored is None:  # a create always has an outcome
        raise StripeError(500, "An unknown error occurred.", kind="api_error")
    if stored.status not in {200, 402}:
        return Answer(stored.status, stored.snapshot, stored.replayed)
    row: IntentRow = stored.snapshot
    if stored.status == 402 and row["last_payment_error"]:
        error: Json = {**row["last_payment_error"], "payment_intent": objects.intent(row)}
        return Answer(402, {"error": error}, stored.replayed)
    return Answer(200, objects.intent(row, expand=call.expands_charge), stored.replayed)


async def _settle(store: Store, call: Call, used: Instrument, decline: Decline | None, states: list[str]) -> Answer:
    end = _outcome(used, decline, asks=states == _CONFIRMABLE and _asks(call, used))
    stored = await store.change(
        _CONFIRM,
        call,
        402 if end.error else 200,
        call.reference,
        end.status,
        used.id,
        end.error,
        end.charge,
        states,
        used.token,
        used.card.multicapture,
    )
    if stored is None:
        await refuse(store, call, await found(store, call), "confirmed")
    return answered(stored, call)


async def _shown(store: Store, call: Call, rows: list[IntentRow]) -> list[Json]:
    if not call.expands_refunds:
        return [objects.intent(row, expand=call.expands_charge) for row in rows]
    given = await store.refunds_of([row["id"] for row in rows if row["refunded_amount"] or row["captured_amount"]])
    return [objects.intent(row, expand=True, refunds=given.get(row["id"], [])) for row in rows]


async def _customer(store: Store, call: Call) -> str | None:
    name = call.form.get("customer")
    if name is not None:
        await require_customer(store, name)
    return name


async def _named(store: Store, call: Call, customer: str | None) -> Instrument | None:
    method = call.form.get("payment_method")
    return None if method is None else await instrument(store, method, customer)


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


def _beginning(call: Call, used: Instrument | None, capture_method: str) -> _Outcome:
    """Return how an intent begins: without a card, with one, or confirmed at once."""
    if used is None:
        return _Outcome("requires_payment_method")
    if not call.truth("confirm"):
        return _Outcome("requires_confirmation")
    end = _outcome(used, _verdict(call, used), asks=_asks(call, used))
    if end.status:
        return end
    return replace(end, status="requires_capture" if capture_method == "manual" else "succeeded")


def _asks(call: Call, used: Instrument) -> bool:
    """Say whether the bank wants to see the buyer."""
    card: Card = used.card
    return card.authenticates and not (card.once_set_up and used.saved) and not call.truth("off_session")


def _verdict(call: Call, used: Instrument) -> Decline | None:
    """Return why a confirmation is declined, if it is."""
    if call.told:
        return declines_as(call.told)
    if used.card.authenticates and call.truth("off_session") and not (used.card.once_set_up and used.saved):
        return AUTHENTICATION_REQUIRED
    return used.card.decline


def _outcome(used: Instrument, decline: Decline | None, *, asks: bool) -> _Outcome:
    """Return what a confirmation comes to."""
    if asks:
        return _Outcome("requires_action")
    charge = f"ch_{secrets.token_hex(12)}"
    if decline is None:
        return _Outcome(None, None, charge)
    return _Outcome("requires_payment_method", _payment_error(decline, used.id, charge), charge)


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
