"""Rows of the sandbox as the JSON objects of Stripe's API."""

from datetime import datetime
from typing import TypedDict

Json = dict[str, object]


class IntentRow(TypedDict):
    """One row of `payment_intents` as `row_to_json` prints it."""

    id: str
    seq: int
    order_id: str | None
    amount: int
    currency: str
    captured_amount: int
    refunded_amount: int
    status: str
    capture_method: str
    metadata: dict[str, str]
    payment_method: str | None
    last_payment_error: Json | None
    latest_charge: str | None
    cancellation_reason: str | None
    canceled_at: str | None
    created_at: str


class RefundRow(TypedDict):
    """One row of `refunds` as `row_to_json` prints it."""

    id: str
    payment_intent: str
    charge: str
    amount: int
    currency: str
    reason: str | None
    metadata: dict[str, str]
    created_at: str


def intent(row: IntentRow, *, expand: bool = False) -> Json:
    """Show a payment intent; `expand` puts the whole charge in the place of its id."""
    return {
        "id": row["id"],
        "object": "payment_intent",
        "amount": row["amount"],
        "amount_capturable": row["amount"] if row["status"] == "requires_capture" else 0,
        "amount_received": row["captured_amount"],
        "canceled_at": _seconds(row["canceled_at"]),
        "cancellation_reason": row["cancellation_reason"],
        "capture_method": row["capture_method"],
        "client_secret": f"{row['id']}_secret_sandbox",
        "confirmation_method": "automatic",
        "created": _seconds(row["created_at"]),
        "currency": row["currency"],
        "customer": None,
        "last_payment_error": row["last_payment_error"],
        "latest_charge": charge(row) if expand and row["latest_charge"] else row["latest_charge"],
        "livemode": False,
        "metadata": row["metadata"],
        "next_action": _next_action(row),
        "payment_method": row["payment_method"],
        "payment_method_types": ["card"],
        "status": row["status"],
    }


def charge(row: IntentRow) -> Json:
    """Show the latest charge of a payment intent, which is kept in the intent's row.

    Stripe counts what was authorised and let go again, by a cancel or a partial capture, as refunded.
    """
    held = row["status"] in {"requires_capture", "succeeded", "canceled"}
    released = row["amount"] - row["captured_amount"] if row["status"] in {"succeeded", "canceled"} else 0
    return {
        "id": row["latest_charge"],
        "object": "charge",
        "amount": row["amount"],
        "amount_captured": row["captured_amount"],
        "amount_refunded": released + row["refunded_amount"],
        "captured": row["captured_amount"] > 0,
        "created": _seconds(row["created_at"]),
        "currency": row["currency"],
        "disputed": False,
        "livemode": False,
        "metadata": row["metadata"],
        "paid": held,
        "payment_intent": row["id"],
        "refunded": released + row["refunded_amount"] == row["amount"],
        "status": "succeeded" if held else "failed",
    }


def refund(row: RefundRow) -> Json:
    """Show a refund."""
    return {
        "id": row["id"],
        "object": "refund",
        "amount": row["amount"],
        "charge": row["charge"],
        "created": _seconds(row["created_at"]),
        "currency": row["currency"],
        "metadata": row["metadata"],
        "payment_intent": row["payment_intent"],
        "reason": row["reason"],
        "status": "succeeded",
    }


def page(url: str, objects: list[Json], limit: int) -> Json:
    """Show the first `limit` objects as a list, and whether there are more."""
    return {"object": "list", "data": objects[:limit], "has_more": len(objects) > limit, "url": url}


def event(event_id: str, row: IntentRow, created_at: datetime) -> Json:
    """Show what happened to a payment intent: the row as it was afterwards says which event it is."""
    kind = _event_type(row)
    return {
        "id": event_id,
        "object": "event",
        "api_version": None,
        "created": int(created_at.timestamp()),
        "data": {"object": charge(row) if kind.startswith("charge.") else intent(row)},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }


def _event_type(row: IntentRow) -> str:
    if row["refunded_amount"]:
        return "charge.refunded"
    if row["status"] == "requires_payment_method":
        return "payment_intent.payment_failed" if row["last_payment_error"] else "payment_intent.created"
    return {
        "requires_confirmation": "payment_intent.created",
        "requires_action": "payment_intent.requires_action",
        "requires_capture": "payment_intent.amount_capturable_updated",
        "canceled": "payment_intent.canceled",
    }.get(row["status"], "payment_intent.succeeded")


def _next_action(row: IntentRow) -> Json | None:
    if row["status"] != "requires_action":
        return None
    return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}


def _seconds(moment: str | None) -> int | None:
    return int(datetime.fromisoformat(moment).timestamp()) if moment else None
