"""What the activities need of the outside world. `providers/` satisfies these Protocols; nothing here knows how."""

from collections.abc import AsyncIterator, Collection, Iterator
from datetime import datetime
from typing import Protocol
from uuid import UUID

from db.webhooks import StoredEvent
from domain.merchandise import Passage, Place
from domain.messages import Email, Sms
from domain.money import Money
from domain.provider_payments import ProviderPayment, ProviderRefund, SavedMethod
from models.webhooks import WebhookState


class Ledger(Protocol):
    """What shows every payment that it knows."""

    def ledger(self, since: datetime | None = None) -> AsyncIterator[ProviderPayment]:
        """List every payment, newest first: all, or those that were prepared since.

        For reconciliation and the audit.

        Raises:
            ProviderUnavailableError: what came before is no whole ledger.
        """
        ...


class PaymentProvider(Ledger, Protocol):
    """A payment service. Every call may raise `ProviderUnavailableError`: the effect may or may not have happened.

    `key` names the operation (`<order_id>:<operation>:<n>`) and makes a repeated call harmless for as long as the
    provider remembers it; nothing relies on that alone.
    """

    @property
    def name(self) -> str:
        """Name the provider as `payment_operations.provider` and the webhook's path do."""
        ...

    async def prepare(
        self, key: str, order_id: UUID, total: Money, *, buyer: str | None = None, keep: bool = False
    ) -> str:
        """Create a payment that moves nothing yet and return its reference. A forgotten one is harmless.

        `buyer` is the provider's reference of a saved customer. `keep` leaves the method with that buyer, or with a new
        one, once it was authorised, to be used later without them (off session).

        Raises:
            ProviderRefusedError: the provider takes no such payment.
        """
        ...

    async def authorise(
        self, key: str, reference: str, payment_method: str, *, off_session: bool = False
    ) -> ProviderPayment:
        """Reserve the buyer's money. A decline is an answer (`DECLINED` with its code), not an error.

        `off_session`: the buyer is not there, so a bank that wants to see them declines (`authentication_required`).

        Raises:
            ProviderRefusedError: the payment is in no state to be authorised, for example cancelled.
        """
        ...

    async def capture(self, key: str, reference: str, amount: Money, *, last: bool = True) -> ProviderPayment:
        """Take money that was authorised. What is left is let go after the last capture, and reserved until then.

        Raises:
            ProviderRefusedError: the payment is in no state to be captured, less is left, or (where more captures are
                to follow) it can be captured only once.
        """
        ...

    async def void(self, key: str, reference: str) -> ProviderPayment:
        """Let go what is reserved: no later call can authorise or capture it any more.

        A payment of which a part was captured is `CAPTURED` afterwards, with that part; any other is `CANCELLED`.

        Raises:
            ProviderRefusedError: all was captured, so it has to be refunded.
        """
        ...

    async def refund(self, key: str, reference: str, amount: Money) -> ProviderRefund:
        """Give captured money back. A `PENDING` refund is looked up again by `find`.

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

    async def save_method(self, key: str, buyer: str, payment_method: str) -> SavedMethod:
        """Leave a payment method with a buyer.

        Raises:
            ProviderRefusedError: there is no such method or buyer, it is another's, or the bank does not allow it.
        """
        ...

    async def saved_methods(self, buyer: str) -> list[SavedMethod]:
        """List what a buyer has left, newest first."""
        ...

    async def forget_buyer(self, buyer: str) -> None:
        """Forget a saved customer with all methods that are left with them; no later call can leave one.

        One that is unknown or forgotten already is no error.
        """
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


class SmsGateway(Protocol):
    """Sends text messages to telephones."""

    async def send(self, sms: Sms) -> None:
        """Hand one message over. Whether one that was given up arrives nobody can tell.

        Raises:
            SmsRefusedError: it will never be taken.
            SmsUnavailableError: it may be tried again.
        """
        ...


class Renderer(Protocol):
    """Turns a template and its data into the parts of a message."""

    def email(self, template: str, context: dict[str, object]) -> tuple[str, str, str]:
        """Render subject, plain text and HTML of a template."""
        ...

    def sms(self, template: str, context: dict[str, object]) -> str:
        """Render the one line of a text message."""
        ...


class Links(Protocol):
    """Knows where links in mails lead to."""

    def of(self, template: str, token_id: UUID | None) -> str:
        """Return the address that a template links to, with the one-time token that the mail hands over."""
        ...


class Begins(Protocol):
    """Begins the workflow of a row, as the clients of Temporal do."""

    async def begin(self, id_: UUID, /) -> None:
        """Begin it; nothing happens where it runs.

        Raises:
            TemporarilyUnavailableError: Temporal is away.
        """
        ...


class EventDesk(Protocol):
    """Hands over to orders what payment providers have reported."""

    async def hand_over(self, event: StoredEvent) -> WebhookState:
        """Tell the event's order, note what came of it, and return that.

        Raises:
            TemporarilyUnavailableError: Temporal is away; the event stays as it is.
        """
        ...


class Mailbox(Protocol):
    """Keeps the mails and text messages of a development stack."""

    async def forget(self, addresses: Collection[str]) -> None:
        """Remove every message that went to one of these addresses and telephone numbers."""
        ...


class CatalogueFile(Protocol):
    """A file of products in another system's format."""

    @property
    def ignored(self) -> tuple[str, ...]:
        """Name the columns of which nothing is made."""
        ...

    def passages(self, begin: Place | None = None) -> Iterator[Passage]:
        """Read product after product, from the end of one on."""
        ...
