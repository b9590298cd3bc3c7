"""Problem documents (RFC 9457): the one table of codes, and the one shape in which an error leaves the API."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"

PROBLEMS: Mapping[str, tuple[int, str]] = {
    "validation_error": (422, "The request is not valid."),
    "unknown_sku": (422, "There is no such article for sale."),
    "currency_mismatch": (422, "The amounts are in different currencies."),
    "promotion_code_invalid": (422, "A promotion code can not be used."),
    "idempotency_key_reused": (422, "The key was used for another request."),
    "signature_invalid": (400, "The signature is not valid."),
    "signature_stale": (400, "The signature is too old."),
    "link_not_valid": (422, "The link is not valid any more."),
    "unauthenticated": (401, "The caller is not known."),
    "payment_failed": (402, "The payment was declined."),
    "payment_action_required": (402, "The payment needs an action of the buyer."),
    "forbidden": (403, "The caller may not do this."),
    "not_found": (404, "There is no such thing."),
    "method_not_allowed": (405, "The method is not available here."),
    "request_timeout": (408, "The request took too long to arrive."),
    "conflict": (409, "The state of the thing does not allow it."),
    "name_taken": (409, "The name belongs to something else."),
    "in_use": (409, "Something else still needs it."),
    "orders_open": (409, "An order is still under way."),
    "cart_empty": (409, "The cart is empty."),
    "cart_checked_out": (409, "The cart has become an order."),
    "cart_in_checkout": (409, "The cart is being checked out."),
    "cart_expired": (409, "The cart has expired."),
    "shipping_method_required": (409, "A shipping method has to be chosen."),
    "shipping_unavailable": (409, "The cart can not be sent in this way."),
    "insufficient_stock": (409, "There is too little stock."),
    "price_changed": (409, "The price has changed."),
    "payment_method_unavailable": (422, "The shop does not offer this way to pay."),
    "amount_mismatch": (409, "Another amount is waited for."),
    "receipt_used": (409, "The reference stands for other money."),
    "payment_in_progress": (409, "Another payment is under way."),
    "refund_refused": (409, "The payment provider refuses the refund."),
    "refund_too_large": (409, "Less is left to be refunded."),
    "shipment_too_large": (409, "Less is left to be shipped."),
    "return_too_large": (409, "Less is left to be returned."),
    "capture_declined": (409, "The money of the shipment could not be taken."),
    "illegal_transition": (409, "The order's state does not allow it."),
    "stale_checkout": (409, "This checkout is over."),
    "idempotency_in_progress": (409, "The first request with this key is still running."),
    "precondition_failed": (412, "It was changed since it was read."),
    "payload_too_large": (413, "The request body is too large."),
    "precondition_required": (428, "The request has to name a version (If-Match)."),
    "rate_limited": (429, "Too many requests."),
    "internal_error": (500, "Something went wrong here."),
    "temporarily_unavailable": (503, "Not available at the moment."),
}
"""Every code with its status and title; `docs/api.md` lists the same."""

_HEADERS: Mapping[str, Mapping[str, str]] = {
    "unauthenticated": {"WWW-Authenticate": "Bearer"},
    "cart_in_checkout": {"Retry-After": "1"},
    "payment_action_required": {"Retry-After": "5"},
    "payment_in_progress": {"Retry-After": "1"},
    "stale_checkout": {"Retry-After": "1"},
    "idempotency_in_progress": {"Retry-After": "1"},
    "temporarily_unavailable": {"Retry-After": "1"},
}


def problem(
    request: Request, code: str, detail: str, members: Mapping[str, Any] | None = None, status: int | None = None
) -> Response:
    """Write a problem document. `members` are added to it; `status` overrides the one of the table."""
    usual, title = PROBLEMS.get(code, PROBLEMS["conflict"])
    document = {
        "type": f"urn:everorder:problem:{code}",
        "title": title,
        "status": status or usual,
        "detail": detail or title,
        "instance": request.scope["raw_path"].decode("ascii", "replace"),
        "code": code,
        **(members or {}),
    }
    # Escaped to ASCII: what a client sent may hold lone surrogates, which have no encoding.
    content = json.dumps(document, separators=(",", ":"))
    return Response(content, status or usual, headers=_HEADERS.get(code), media_type=MEDIA_TYPE)
