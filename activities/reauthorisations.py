"""Reserving money anew before the reservation ends: the new one first, then the old one is let go.

An order never goes without a reservation for it, and after a decline it keeps the old one until that ends by itself.
"""

from temporalio import activity

from activities.heartbeats import heartbeats
from activities.payments import PaymentActivities
from activities.providers import PaymentProviders
from activities.refusals import refusals
from activities.reversals import Reversals
from contracts import reauthorisations as contract
from contracts.orders import OrderSnapshot
from contracts.payments import AuthorisePayment, PaymentAnswer, PaymentDecision
from contracts.reauthorisations import NoteReauthorisation, Reauthorise
from db import notifications, order_log, orders, reauthorisations
from db.engine import Sessions, single_statements
from db.reauthorisations import Replacement
from domain.order_states import EventType


class ReauthorisationActivities(contract.ReauthorisationActivities):
    """Implements re-authorisation with providers and PostgreSQL."""

    def __init__(self, sessions: Sessions, providers: PaymentProviders) -> None:
        self._sessions = sessions
        self._statements = single_statements(sessions)
        self._providers = providers
        self._payments = PaymentActivities(sessions, providers)
        self._reversals = Reversals(sessions, providers)

    @activity.defn(name="payments.reauthorise")
    async def reauthorise(self, request: Reauthorise) -> PaymentAnswer:
        """Authorise the rest as a new attempt, then let the old reservation go.

        Without the buyer, but for a method that is offered: that one may be used by whoever is there.
        """
        async with heartbeats():
            with refusals():
                async with self._statements() as session:
                    replacement = await reauthorisations.plan(session, request.order_id)
                if replacement is None:
                    return PaymentAnswer(PaymentDecision.APPROVED)
                return await self._replace(request, replacement)

    async def _replace(self, request: Reauthorise, replacement: Replacement) -> PaymentAnswer:
        """Put a new attempt in the place of the old one.

        It becomes the order's attempt last: a crash before that finds the same two attempts again.
        """
        current = replacement.current
        old = await self._providers.named(current.provider).find(current.reference or "")
        answer = await self._payments.authorise_beside(
            old,
            AuthorisePayment(
                request.order_id,
                replacement.next,
                replacement.rest,
                request.payment_method or old.method or replacement.payment_method,
                keep=True,
                off_session=request.payment_method is None,
            ),
        )
        if answer.decision is not PaymentDecision.APPROVED:
            await self._reversals.reverse(request.order_id, replacement.next)
            return PaymentAnswer(PaymentDecision.DECLINED, answer.code)
        await self._reversals.let_go(current, old)
        async with self._statements() as session:
            await reauthorisations.switch(session, request.order_id, replacement, request.payment_method)
        return answer

    @activity.defn(name="orders.note_reauthorisation")
    async def note(self, request: NoteReauthorisation) -> OrderSnapshot:
        """Record it; after a decline an operator is called and the buyer is told."""
        with refusals():
            async with self._sessions.begin() as session:
                order_id = request.order_id
                if request.decision is PaymentDecision.APPROVED:
                    event = EventType.PAYMENT_REAUTHORISED
                    await order_log.annotate(session, order_id, event, actor="system", reason=None)
                elif await orders.flag(session, order_id, reason="reauthorisation_declined"):
                    event = EventType.OPERATOR_NEEDED
                    reason = "reauthorisation_declined"
                    await order_log.annotate(session, order_id, event, actor="system", reason=reason)
                    tries = await reauthorisations.tries(session, order_id)
                    await notifications.owe(session, order_id, "payment_renewal_failed", tries)
                return await orders.snapshot(session, order_id)
