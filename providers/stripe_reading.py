"""Stripe's objects and errors in the words of the port."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from uuid import UUID

import stripe

from domain.money import Money
from domain.provider_payments import (
    ProviderCapture,
    ProviderPayment,
    ProviderPaymentState,
    ProviderRefund,
    ProviderRefusedError,
    ProviderRepeatedError,
    ProviderUnavailableError,
    RefundState,
    SavedMethod,
)
from domain.stripe_amounts import from_stripe, to_stripe

INSTALLATION = "installation"
"""Where an intent's metadata keeps who has made it."""

CAPTURE_PREFIX = "capture:"
"""Where an intent's metadata keeps what each capture has taken: `capture:<n>`, by the operation's number, as our books
write amounts."""

_STATES = MappingProxyType(
    {
        "requires_payment_method": ProviderPaymentState.PREPARED,
        "requires_confirmation": ProviderPaymentState.PREPARED,
        "requires_action": ProviderPaymentState.ACTION_REQUIRED,
        "processing": ProviderPaymentState.PROCESSING,
        "requires_capture": ProviderPaymentState.AUTHORISED,
        "succeeded": ProviderPaymentState.CAPTURED,
        "canceled": ProviderPaymentState.CANCELLED,
    }
)
_REFUND_STATES = MappingProxyType(
    {
        "pending": RefundState.PENDING,
        "requires_action": RefundState.PENDING,
        "succeeded": RefundState.SUCCEEDED,
        "failed": RefundState.FAILED,
        "canceled": RefundState.FAILED,
    }
)
_HARMLESS_DISPUTES = frozenset({"won", "warning_closed", "prevented"})


_WORD = re.compile(r"[a-z][a-z0-9_]{0,99}")


@contextmanager
def translated() -> Iterator[None]:
    """Turn the client's errors into the port's. Theirs quote requests, so none is kept as the cause."""
    try:
        yield
    except TimeoutError:
        raise ProviderUnavailableError("timeout") from None
    except (stripe.InvalidRequestError, stripe.CardError) as error:
        raise ProviderRefusedError(_code(error.code) or "invalid_request_error") from None
    except stripe.IdempotencyError:
        raise ProviderRefusedError("idempotency_error") from None
    except stripe.StripeError as error:
        # A wrong key is here too: nobody's order should fail because ours was revoked.
        said = f"{type(error).__name__} {error.http_status or ''}".rstrip()
        raise (ProviderRepeatedError if _is_repeated(error) else ProviderUnavailableError)(said) from None


def written(amount: Money) -> int:
    """Write an amount as Stripe reads it.

    Raises:
        ProviderRefusedError: Stripe takes no such fraction of this currency.
    """
    try:
        return to_stripe(amount)
    except ValueError:
        raise ProviderRefusedError("amount_not_payable") from None


def declined(error: stripe.CardError) -> ProviderPayment:
    """Read the payment out of a decline: Stripe sends it along, with the error as its last one.

    Raises:
        stripe.CardError: this one, when it tells of no payment.
    """
    intent = error.error.payment_intent if error.error else None
    if intent is None:
        raise error
    return replace(payment(intent), state=ProviderPaymentState.DECLINED, decline_code=_decline_code(error.error))


def payment(
    intent: stripe.PaymentIntent, disputes: list[stripe.Dispute] | None = None, *, installation: str | None = None
) -> ProviderPayment:
    """Read a payment intent, with as much of its charge as was expanded, and its disputes where they were asked for.

    Of an `installation` that is another's, no order is told: the same id may be one of ours.
    """
    state = _state(intent)
    failure = intent.last_payment_error if intent.status == "requires_payment_method" else None
    charge = intent.latest_charge if isinstance(intent.latest_charge, stripe.Charge) else None
    metadata = _metadata(intent)
    statuses = {dispute.status for dispute in disputes or ()} - _HARMLESS_DISPUTES
    currency = intent.currency.upper()
    return ProviderPayment(
        reference=intent.id,
        order_id=_order_id(metadata) if installation in {None, metadata.get(INSTALLATION)} else None,
        state=state,
        amount=Money(from_stripe(intent.amount, currency), currency),
        captured=from_stripe(intent.amount_received, currency),
        refunded=from_stripe(_refunded(charge), currency) if charge else 0,
        decline_code=_decline_code(failure),
        key=metadata.get("key"),
        capturable=from_stripe(intent.amount_capturable, currency),
        authorised_until=_authorised_until(charge) if state is ProviderPaymentState.AUTHORISED else None,
        disputed=bool(statuses),
        dispute_lost="lost" in statuses,
        captures=_captures(metadata),
        refunds=_refunds(charge),
        buyer=id_of(intent.customer),
        method=id_of(intent.payment_method),
        client_secret=intent.client_secret if state is ProviderPaymentState.ACTION_REQUIRED else None,
    )


def refund(given: stripe.Refund) -> ProviderRefund:
    """Read a refund. A status that Stripe has yet to invent is under way, so that it is looked up again."""
    state = _REFUND_STATES.get(given.status or "", RefundState.PENDING)
    amount = from_stripe(given.amount, given.currency.upper())
    return ProviderRefund(given.id, _metadata(given).get("key"), amount, state)


def saved_method(method: stripe.PaymentMethod) -> SavedMethod:
    """Read a payment method: of a card, its brand and its last four digits, which may be shown."""
    card = getattr(method, "card", None)
    return SavedMethod(method.id, f"{card.brand} {card.last4}" if card else method.type)


def id_of(thing: str | stripe.StripeObject | None) -> str | None:
    """Return the id of what may have been expanded."""
    if thing is None or isinstance(thing, str):
        return thing
    name: str = thing["id"]
    return name


def _is_repeated(error: stripe.StripeError) -> bool:
    """Tell whether this answer was saved under its key when an earlier request came to its end."""
    headers = error.headers or {}
    return headers.get("idempotent-replayed") == "true"


def _state(intent: stripe.PaymentIntent) -> ProviderPaymentState:
    if intent.status == "requires_payment_method" and intent.last_payment_error:
        return ProviderPaymentState.DECLINED
    if intent.status == "canceled" and intent.amount_received:
        return ProviderPaymentState.CAPTURED
    return _STATES[intent.status]


def _decline_code(failure: object) -> str | None:
    """Return the issuer's reason, or Stripe's own where no issuer was asked. Stripe leaves out what does not apply."""
    return _code(getattr(failure, "decline_code", None) or getattr(failure, "code", None))


def _code(said: object) -> str | None:
    """Take a word of Stripe's, and nothing that is not one: it is written down and shown."""
    return said if isinstance(said, str) and _WORD.fullmatch(said) else None


def _metadata(thing: stripe.PaymentIntent | stripe.Refund) -> dict[str, str]:
    # By way of the class: a key of the metadata could be named as the method is.
    return stripe.StripeObject.to_dict(thing.metadata) if thing.metadata else {}


def _order_id(metadata: dict[str, str]) -> UUID | None:
    """Return whose payment it is; other programs may use the same account, with metadata of their own."""
    try:
        return UUID(metadata["order_id"])
    except (KeyError, ValueError):
        return None


def _captures(metadata: dict[str, str]) -> tuple[ProviderCapture, ...]:
    order_id = metadata.get("order_id", "")
    return tuple(
        ProviderCapture(f"{order_id}:{name}", int(amount))
        for name, amount in sorted(metadata.items())
        if name.startswith(CAPTURE_PREFIX) and amount.isascii() and amount.isdecimal()
    )


def has_more_refunds(intent: stripe.PaymentIntent) -> bool:
    """Tell whether a charge that was expanded leaves refunds out."""
    return bool(getattr(getattr(intent.latest_charge, "refunds", None), "has_more", False))


def _refunds(charge: stripe.Charge | None) -> tuple[ProviderRefund, ...]:
    """Read the refunds of a charge, oldest first, where they were expanded; the ten newest, as Stripe shows them."""
    listed = getattr(charge, "refunds", None)
    return tuple(refund(one) for one in reversed(listed.data)) if listed else ()


def _refunded(charge: stripe.Charge) -> int:
    """Return what was given back of what was captured.

    Stripe counts as refunded also what a cancel or a single partial capture let go without ever taking it; of a charge
    that may be captured several times it does not (https://docs.stripe.com/payments/multicapture).
    """
    if not charge.amount_captured:
        return 0
    released = 0 if _multicapture(charge) else charge.amount - charge.amount_captured
    return max(charge.amount_refunded - released, 0)


def _multicapture(charge: stripe.Charge) -> bool:
    return getattr(getattr(_card(charge), "multicapture", None), "status", None) == "available"


def _authorised_until(charge: stripe.Charge | None) -> datetime | None:
    moment = getattr(_card(charge), "capture_before", None)
    return datetime.fromtimestamp(moment, UTC) if moment else None


def _card(charge: stripe.Charge | None) -> object:
    return getattr(getattr(charge, "payment_method_details", None), "card", None)
