"""Events of Stripe, or of the sandbox, which speaks the same API: https://docs.stripe.com/api/events/types."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AliasPath, BaseModel, ConfigDict, Field, ValidationError

from api.errors import InvalidRequestError
from api.webhooks import signatures
from domain.errors import NotFoundError
from domain.payment_events import ProviderEvent
from domain.stripe_amounts import from_stripe
from domain.stripe_events import type_of
from settings import Settings

PROVIDER = "stripe"

_LARGEST = 2**63 - 1
_LATEST = 253_402_300_799
"""The end of the year 9999."""

_Code = Annotated[str, Field(max_length=255, pattern=r"^[\x21-\x7e]+$")]


class _Subject(BaseModel):
    """What an event is about: a payment intent, or a charge, a refund or a dispute that names its payment intent."""

    model_config = ConfigDict(extra="ignore")

    object: _Code = ""
    id: _Code | None = None
    payment_intent: _Code | None = None
    status: _Code | None = None
    order_id: str | None = Field(default=None, validation_alias=AliasPath("metadata", "order_id"))
    amount: Annotated[int, Field(ge=0, le=_LARGEST)] | None = None
    currency: Annotated[str, Field(pattern="^[A-Za-z]{3}$")] | None = None

    @property
    def reference(self) -> str | None:
        """Name the payment intent."""
        return self.id if self.object == "payment_intent" else self.payment_intent

    @property
    def code(self) -> str | None:
        """Name the currency as our books do."""
        return self.currency.upper() if self.currency else None

    @property
    def taken(self) -> int | None:
        """Return the amount as our books write it."""
        if self.amount is None or self.code is None:
            return self.amount
        return from_stripe(self.amount, self.code)

    @property
    def order(self) -> UUID | None:
        """Return whose payment it says to be; other programs on the same account have metadata of their own."""
        try:
            return UUID(self.order_id or "")
        except ValueError:
            return None


class _Event(BaseModel):
    """An event, as far as it is of interest here. Whatever else it says is not read."""

    model_config = ConfigDict(extra="ignore")

    id: _Code
    type: _Code
    created: Annotated[int, Field(ge=0, le=_LATEST)]
    subject: _Subject = Field(validation_alias=AliasPath("data", "object"))


def read(body: bytes, signature: str, settings: Settings, now: datetime) -> ProviderEvent:
    """Check the signature of an event, then read it.

    Raises:
        NotFoundError: no secret is set, so nobody can be believed.
        SignatureInvalidError, SignatureStaleError: it may be anybody's, or an old one that somebody has kept.
        InvalidRequestError: it is signed and can not be read.
    """
    if not settings.stripe_webhook_secrets:
        raise NotFoundError("no events are taken from this provider")
    signatures.verify(signature, body, settings.stripe_webhook_secrets, now)
    try:
        event = _Event.model_validate_json(body)
    except ValidationError:  # its text quotes the body
        raise InvalidRequestError("This is no event", "body") from None
    subject = event.subject
    return ProviderEvent(
        provider=PROVIDER,
        event_id=event.id,
        kind=event.type,
        happened_at=datetime.fromtimestamp(event.created, UTC),
        type=type_of(event.type, subject.status),
        reference=subject.reference,
        order_id=subject.order,
        amount=subject.taken,
        currency=subject.code,
    )
