"""Rows of the sandbox as the JSON objects of Stripe's API."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypedDict

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
    multicapture: bool
    metadata: dict[str, str]
    customer: str | None
    setup_future_usage: str | None
    payment_method: str | None
    card: str | None
    last_payment_error: Json | None
    latest_charge: str | None
    authorised_until: str | None
    disputed: bool
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
    status: str
    created_at: str


class DisputeRow(TypedDict):
    """One row of `disputes` as `row_to_json` prints it."""

    id: str
    payment_intent: str
    charge: str
    amount: int
    currency: str
    reason: str
    status: str
    created_at: str


class CustomerRow(TypedDict):
    """One row of `customers` as `row_to_json` prints it."""

    id: str
    metadata: dict[str, str]
    deleted: bool
    created_at: str


class MethodRow(TypedDict):
    """One row of `payment_methods` as `row_to_json` prints it."""

    id: str
    card: str
    customer: str | None
    created_at: str


def intent(row: IntentRow, *, expand: bool = False, refunds: Sequence[RefundRow] | None = None) -> Json:
    """Show a payment intent; `expand` puts its whole charge in the place of the charge's id, with refunds if given."""
    left = row["amount"] - row["captured_amount"]
    return {
        "id": row["id"],
        "object": "payment_intent",
        "amount": row["amount"],
        "amount_capturable": left if row["status"] == "requires_capture" else 0,
        "amount_received": row["captured_amount"],
        "canceled_at": _seconds(row["canceled_at"]),
        "cancellation_reason": row["cancellation_reason"],
        "capture_method": row["capture_method"],
        "client_secret": f"{row['id']}_secret_sandbox",
        "confirmation_method": "automatic",
        "created": _seconds(row["created_at"]),
        "currency": row["currency"],
        "customer": row["customer"],
        "last_payment_error": row["last_payment_error"],
        "latest_charge": charge(row, refunds) if expand and row["latest_charge"] else row["latest_charge"],
        "livemode": False,
        "metadata": row["metadata"],
        "next_action": _next_action(row),
        "payment_method": row["payment_method"],
        "payment_method_types": ["card"],
        "setup_future_usage": row["setup_future_usage"],
        "status": row["status"],
    }


def charge(row: IntentRow, refunds: Sequence[RefundRow] | None = None) -> Json:
    """Show the latest charge of a payment intent, which is kept in the intent's row.

    Stripe counts what was authorised and let go again, by a cancel or a single partial capture, as refunded; of a
    charge that may be captured several times it does not.
    """
    held = row["status"] in {"requires_capture", "succeeded", "canceled"}
    over = row["status"] in {"succeeded", "canceled"}
    released = row["amount"] - row["captured_amount"] if over and not row["multicapture"] else 0
    shown: Json = {
        "id": row["latest_charge"],
        "object": "charge",
        "amount": row["amount"],
        "amount_captured": row["captured_amount"],
        "amount_refunded": released + row["refunded_amount"],
        "captured": row["status"] == "succeeded",
        "created": _seconds(row["created_at"]),
        "currency": row["currency"],
        "disputed": row["disputed"],
        "livemode": False,
        "metadata": row["metadata"],
        "paid": held,
        "payment_intent": row["id"],
        "payment_method_details": {"type": "card", "card": _card_details(row)},
        "refunded": over and row["captured_amount"] == row["refunded_amount"],
        "status": "succeeded" if held else "failed",
    }
    if refunds is not None:
        url = f"/v1/charges/{row['latest_charge']}/refunds"
        shown["refunds"] = page(url, [refund(one) for one in refunds], 10)
    return shown


def refund(row: RefundRow) -> Json:
    """Show a refund."""
    shown: Json = {
        "id": row["id"],
        "object": "refund",
        "amount": row["amount"],
        "charge": row["charge"],
        "created": _seconds(row["created_at"]),
        "currency": row["currency"],
        "metadata": row["metadata"],
        "payment_intent": row["payment_intent"],
        "reason": row["reason"],
        "status": row["status"],
    }
    if row["status"] == "failed":
        shown["failure_reason"] = "unknown"
    return shown


def dispute(row: DisputeRow) -> Json:
    """Show a dispute."""
    return {
        "id": row["id"],
        "object": "dispute",
        "amount": row["amount"],
        "charge": row["charge"],
        "created": _seconds(row["created_at"]),
        "currency": row["currency"],
        "is_charge_refundable": row["status"] == "won",
        "livemode": False,
        "metadata": {},
        "payment_intent": row["payment_intent"],
        "reason": row["reason"],
        "status": row["status"],
    }


def customer(row: CustomerRow) -> Json:
    """Show a customer; of one that was deleted, nothing but that."""
    if row["deleted"]:
        return {"id": row["id"], "object": "customer", "deleted": True}
    return {
        "id": row["id"],
        "object": "customer",
        "created": _seconds(row["created_at"]),
        "livemode": False,
        "metadata": row["metadata"],
    }


def payment_method(row: MethodRow) -> Json:
    """Show a payment method."""
    return {
        "id": row["id"],
        "object": "payment_method",
        "card": {"brand": _brand(row["card"]), "last4": "4242", "exp_month": 12, "exp_year": 2034},
        "created": _seconds(row["created_at"]),
        "customer": row["customer"],
        "livemode": False,
        "metadata": {},
        "type": "card",
    }


def page(url: str, objects: list[Json], limit: int) -> Json:
    """Show the first `limit` objects as a list, and whether there are more."""
    return {"object": "list", "data": objects[:limit], "has_more": len(objects) > limit, "url": url}


def event(event_id: str, kind: str, snapshot: Any, created_at: datetime) -> Json:
    """Show what happened to an object, with the object as it was afterwards."""
    return {
        "id": event_id,
        "object": "event",
        "api_version": None,
        "created": int(created_at.timestamp()),
        "data": {"object": _of_event(kind, snapshot)},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }


def _of_event(kind: str, snapshot: Any) -> Json:
    if kind.startswith("charge.dispute."):
        return dispute(snapshot)
    if kind.startswith("charge."):
        return charge(snapshot)
    return refund(snapshot) if kind.startswith("refund.") else intent(snapshot)


def _card_details(row: IntentRow) -> Json:
    reserved = row["status"] == "requires_capture"
    return {
        "brand": _brand(row["card"] or ""),
        "capture_before": _seconds(row["authorised_until"]) if reserved else None,
        "last4": "4242",
        "multicapture": {"status": "available" if row["multicapture"] else "unavailable"},
    }


def _brand(card: str) -> str:
    brand = card.removeprefix("pm_card_").split("_", maxsplit=1)[0]
    return brand if brand in {"amex", "diners", "discover", "jcb", "mastercard", "unionpay"} else "visa"


def _next_action(row: IntentRow) -> Json | None:
    if row["status"] != "requires_action":
        return None
    return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}


def _seconds(moment: str | None) -> int | None:
    return int(datetime.fromisoformat(moment).timestamp()) if moment else None
