"""Reserving an order's money anew before the reservation ends, for as long as goods are still to be shipped."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from temporalio import workflow

from contracts.payments import PaymentDecision
from contracts.reauthorisations import NoteReauthorisation, ReauthorisationActivities
from domain.captures import CapturePolicy
from domain.order_states import OrderStatus
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
        progress = self._progress
        until = progress.known.authorised_until
        answer = await progress.ask_provider(
            ReauthorisationActivities.reauthorise, progress.step, "Reserve the rest of the money anew", skippable=True
        )
        if answer is None or answer.decision is not PaymentDecision.APPROVED:
            self._declined = until
        if answer is None:
            return
        approved = answer.decision is PaymentDecision.APPROVED
        await progress.surely_record(
            ReauthorisationActivities.note,
            NoteReauthorisation(progress.start.order_id, answer.decision, answer.code),
            "The money is reserved anew" if approved else f"The money could not be reserved anew ({answer.code})",
        )
        progress.messages.send(progress.known.messages)

    @property
    def wanted(self) -> bool:
        """Tell whether an operator was called because money was not there, and may have it reserved anew."""
        order = self._progress.known
        missing = order.operator_reason in {"reauthorisation_declined", "capture_declined"}
        return missing and order.capture is CapturePolicy.SHIPMENT
