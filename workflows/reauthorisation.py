"""Reserving an order's money anew before the reservation ends, for as long as goods are still to be shipped."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from temporalio import workflow

from contracts.failures import refusal
from contracts.orders import Decision, Pay, Resolve
from contracts.payments import PaymentDecision
from contracts.reauthorisations import NoteReauthorisation, ReauthorisationActivities, Reauthorise
from domain.captures import CapturePolicy
from domain.order_states import OrderStatus
from domain.payment_methods import PaymentWay, way_of
from workflows.alarms import Alarm
from workflows.progress import Progress

_MARGIN = timedelta(days=1)
"""How long before its end a reservation is made anew; half of its time, where that is less."""


class Reauthorisation:
    """Keeps the money of one order reserved. After a decline an operator decides, and nothing is tried by itself."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._until: datetime | None = None
        self._since: datetime | None = None
        self._declined: datetime | None = None

    def alarms(self) -> Iterator[Alarm]:
        """Tell when the money is to be reserved anew."""
        until = self._progress.known.authorised_until
        waits = self._progress.stands(OrderStatus.PLACED, OrderStatus.FULFILLING)
        if not waits or until is None or until == self._declined:
            return
        if until != self._until or self._since is None:
            self._until, self._since = until, workflow.now()
        margin = min(_MARGIN, max((until - self._since) / 2, timedelta(0)))
        yield Alarm(until - margin, "The reservation of the money is about to end", self.renew)

    async def renew(self) -> None:
        """Reserve what is not captured yet anew; after a decline an operator is called and the buyer told."""
        await self._renew(Reauthorise(self._progress.start.order_id))

    async def pay(self, pay: Pay) -> None:
        """Reserve what is missing with another card, so that shipping can go on.

        Raises:
            ApplicationError: `payment_failed`: it was declined, and the operator is still wanted.
        """
        if way_of(pay.payment_method) is not PaymentWay.CARD:
            raise refusal("illegal_transition", "Only a card can pay for shipments.")
        if not await self._renew(Reauthorise(self._progress.start.order_id, pay.payment_method)):
            raise refusal("payment_failed", "The card was declined.")
        await self._progress.standstill.clear(Resolve(Decision.RETRY, "another_method", pay.actor))

    async def _renew(self, request: Reauthorise) -> bool:
        progress = self._progress
        until = progress.known.authorised_until
        answer = await progress.ask_provider(
            ReauthorisationActivities.reauthorise, request, "Reserve the rest of the money anew", skippable=True
        )
        if answer is None or answer.decision is not PaymentDecision.APPROVED:
            self._declined = until
        if answer is None:
            return False
        approved = answer.decision is PaymentDecision.APPROVED
        await progress.surely_record(
            ReauthorisationActivities.note,
            NoteReauthorisation(progress.start.order_id, answer.decision, answer.code),
            "The money is reserved anew" if approved else f"The money could not be reserved anew ({answer.code})",
        )
        progress.messages.send(progress.known.messages)
        return approved

    @property
    def wanted(self) -> bool:
        """Tell whether an operator was called because money was not there, and may have it reserved anew."""
        order = self._progress.order
        if order is None or not order.needs_operator or order.capture is not CapturePolicy.SHIPMENT:
            return False
        return order.operator_reason in {"reauthorisation_declined", "capture_declined"}
