"""Returns on PostgreSQL: what arrives is noted with its stock and its refund in one transaction.

The money goes the way of every refund: the order's workflow follows it until the provider has confirmed it.
"""

from temporalio import activity

from activities.refusals import refusals
from contracts import returns as contract
from contracts.orders import OrderSnapshot
from contracts.returns import TakeBack
from db import orders, returns
from db.engine import Sessions


class ReturnActivities(contract.ReturnActivities):
    """Implements returns."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @activity.defn(name="returns.take_back")
    async def take_back(self, request: TakeBack) -> OrderSnapshot:
        """Put goods back into stock, and begin to refund what was paid for them. Repeating it changes nothing."""
        with refusals():
            async with self._sessions.begin() as session:
                await returns.take_back(session, request)
                return await orders.snapshot(session, request.order_id)
