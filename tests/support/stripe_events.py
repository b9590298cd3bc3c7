"""Events as Stripe sends them, signed as Stripe signs them, written without a word of ours."""

import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

PERSON = "ada.lovelace@example.com"
"""Is in every event, as it would be, and must be in no table."""


@dataclass
class StripeEvent:
    """One event about a payment intent, or about what names one."""

    kind: str
    reference: str
    order_id: UUID | None = None
    status: str = "succeeded"
    amount: int = 2000
    id: str = field(default_factory=lambda: f"evt_{uuid4().hex}")

    @property
    def body(self) -> bytes:
        return json.dumps(self.document).encode()

    @property
    def document(self) -> dict[str, Any]:
        about = {
            "id": self.reference,
            "object": "payment_intent",
            "payment_intent": None,
            "status": self.status,
            "amount": self.amount,
            "currency": "gbp",
            "receipt_email": PERSON,
            "metadata": {"order_id": str(self.order_id)} if self.order_id else {},
        }
        named = self.kind.split(".")[0]
        if named != "payment_intent":
            about |= {"id": f"xx_{self.id}", "object": named, "payment_intent": self.reference}
        return {
            "id": self.id,
            "object": "event",
            "type": self.kind,
            "created": 1_790_000_000,
            "livemode": False,
            "data": {"object": about},
        }


def signed(body: bytes, *secrets: str, at: float | None = None) -> dict[str, str]:
    """Sign a body with each of the secrets."""
    moment = int(time.time() if at is None else at)
    made = [hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest() for secret in secrets]
    signature = ",".join([f"t={moment}", *(f"v1={one}" for one in made)])
    return {"Stripe-Signature": signature, "Content-Type": "application/json; charset=utf-8"}
