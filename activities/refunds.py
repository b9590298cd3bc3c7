"""Giving money back while the order stands: begun and settled on PostgreSQL, carried out by the provider.

Begin and settle are one transaction each. The provider is asked in between, without one: what it has brought is found
at the provider by the operation's key, so a lost answer never becomes a second refund.
"""

from temporalio import activity

from activities.heartbeats import heartbeats
from activities.providers import PaymentProviders
from activities.refusals import refusals
from activities.returning import give_back
from contracts import refunds as contract
from contracts.orders import OrderSnapshot, OrderStep
from contracts.refunds import BeginRefund, RefundAnswer, RefundStep
from db import notifications, order_log, orders, payments, refunds
from db.engine import Sessions, single_statements
from db.payments import Operation
from domain.order_ids import refund_key
from domain.order_states import REFUNDABLE, EventType
from domain.provider_payments import ProviderRefusedError, RefundState
from domain.refunds import RefundStatus
from models.payments import PaymentOperationState as State


class RefundActivities(contract.RefundActivities):
    """Implements refunds with providers and PostgreSQL."""

    def __init__(self, sessions: Sessions, providers: PaymentProviders) -> None:
        self._sessions = sessions
        self._statements = single_statements(sessions)
        self._providers = providers

    @activity.defn(name="refunds.begin")
    async def begin(self, request: BeginRefund) -> OrderSnapshot:
        """Reserve the money and write down what the provider will be asked. Repeating it changes nothing."""
        with refusals():
            async with self._sessions.begin() as session:
                await refunds.begin(session, request)
                return await orders.snapshot(session, request.order_id)

    @activity.defn(name="refunds.begin_again")
    async def begin_again(self, request: OrderStep) -> OrderSnapshot:
        """Begin the refunds anew that have failed: an operator has decided."""
        with refusals():
            async with self._sessions.begin() as session:
                await refunds.begin_again(session, request.order_id)
                return await orders.snapshot(session, request.order_id)

    @activity.defn(name="refunds.abandon")
    async def abandon(self, request: OrderStep) -> OrderSnapshot:
        """Give up the refunds that have failed: an operator has decided."""
        with refusals():
            async with self._sessions.begin() as session:
                await refunds.abandon(session, request.order_id)
                return await orders.snapshot(session, request.order_id)

    @activity.defn(name="refunds.give_back")
    async def give_back(self, request: RefundStep) -> RefundAnswer:
        """Ask the provider to give the money back, or how far that has come. What it refuses has failed."""
        async with heartbeats():
            with refusals():
                async with self._statements() as session:
                    operations = await refunds.operations(session, request.refund_id)
                states = [await self._carry_out(operation) for operation in operations]
        if RefundState.PENDING in states:
            return RefundAnswer(RefundStatus.STARTED)
        return RefundAnswer(RefundStatus.FAILED if RefundState.FAILED in states else RefundStatus.SUCCEEDED)

    async def _carry_out(self, operation: Operation) -> RefundState:
        """Carry one operation out, and note what it has brought as soon as that is final."""
        code = None
        try:
            provider = self._providers.named(operation.provider)
            payment = await provider.find(operation.reference or "")
            key = refund_key(operation.key, operation.refund_id)
            state = (await give_back(provider, key, payment, operation.amount.amount)).state
        except ProviderRefusedError as refused:
            state, code = RefundState.FAILED, refused.code
        if state is not RefundState.PENDING:
            outcome = State.SUCCEEDED if state is RefundState.SUCCEEDED else State.DECLINED
            async with self._statements() as session:
                await payments.finish(session, operation.key, outcome, code)
        return state

    @activity.defn(name="refunds.settle")
    async def settle(self, request: RefundStep) -> OrderSnapshot:
        """Note what the refund has come to: the buyer is told, or an operator is called. Repeating changes nothing."""
        with refusals():
            async with self._sessions.begin() as session:
                settled = await refunds.settle(session, request.refund_id)
                order_id = request.order_id
                if settled is not None and settled.state is RefundStatus.FAILED:
                    reason = "refund_refused"
                    if await orders.flag(session, order_id, reason=reason):
                        event = EventType.OPERATOR_NEEDED
                        await order_log.annotate(session, order_id, event, actor="system", reason=reason)
                elif settled is not None:
                    await order_log.annotate(
                        session,
                        order_id,
                        EventType.REFUNDED,
                        actor=settled.actor,
                        reason=settled.reason,
                        note_id=settled.note_id,
                    )
                    if await orders.status(session, order_id) in REFUNDABLE:
                        await notifications.owe(session, order_id, "refund_confirmation", settled.n)
                return await orders.snapshot(session, order_id)
