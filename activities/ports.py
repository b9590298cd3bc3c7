"""What the activities need of the outside world. `providers/` satisfies these Protocols; nothing here knows how."""

from collections.abc import AsyncIterator
from typing import Protocol
from uuid import UUID

from domain.messages import Email
from domain.money import Money
from domain.provider_payments import ProviderPayment


class PaymentProvider(Protocol):
    """A payment service. Every call may raise `ProviderUnavailableError`: the effect may or may not have happened.

    `key` names the operation (`<order_id>:<operation>:<n>`) and makes a repeated call harmless for as long as the
    provider remembers it; nothing relies on that alone.
    """

    @property
    def name(self) -> str:
        """Name the provider as `payment_operations.provider` and the webhook's path do."""
        ...

    async def prepare(self, key: str, order_id: UUID, total: Money) -> str:
        """Create a payment that moves nothing yet and return its reference. A forgotten one is harmless.

        Raises:
            ProviderRefusedError: the provider takes no such payment.
        """
        ...

    async def authorise(self, key: str, reference: str, payment_method: str) -> ProviderPayment:
        """Reserve the buyer's money. A decline is an answer (`DECLINED` with its code), not an error.

        Raises:
            ProviderRefusedError: the payment is in no state to be authorised, for example cancelled.
        """
        ...

    async def capture(self, key: str, reference: str, amount: Money) -> ProviderPayment:
        """Take money that was authorised.

        Raises:
            ProviderRefusedError: the payment is in no state to be captured.
        """
        ...

    async def void(self, key: str, reference: str) -> ProviderPayment:
        """Cancel a payment that was not captured: no later call can authorise or capture it any more.

        Raises:
            ProviderRefusedError: it was captured, so it has to be refunded.
        """
        ...

    async def refund(self, key: str, reference: str, amount: Money) -> ProviderPayment:
        """Give captured money back, and return the payment as it is afterwards.

        Raises:
            ProviderRefusedError: more than was captured, or disputed.
        """
        ...

    async def find(self, reference: str) -> ProviderPayment:
        """Look one payment up: the way out of every unknown outcome.

        Raises:
            ProviderRefusedError: the provider has never heard of it.
        """
        ...

    def ledger(self) -> AsyncIterator[ProviderPayment]:
        """List every payment that the provider knows, newest first. For reconciliation and the audit."""
        ...


class Mailer(Protocol):
    """Hands messages to a mail server."""

    async def send(self, email: Email) -> None:
        """Hand one message over.

        Raises:
            MailRefusedError: it will never be taken.
            MailUnavailableError: it may be tried again.
        """
        ...


class Renderer(Protocol):
    """Turns a template and its data into the parts of a message."""

    def email(self, template: str, context: dict[str, object]) -> tuple[str, str, str]:
        """Render subject, plain text and HTML of a template."""
        ...
