"""Taking people out of everything that we hold."""

from temporalio import activity

from activities.heartbeats import heartbeats
from activities.ports import Mailbox
from contracts import erasures as contract
from contracts.erasures import Erased, EraseStep
from contracts.messages import MessageActivities
from contracts.notifications import DeliverMessage
from db import erasures, messages
from db.engine import Sessions
from db.erasures import Who


class ErasureActivities(contract.ErasureActivities):
    """Implements the erasure of accounts on PostgreSQL, and in the folder of the local mail server."""

    def __init__(self, sessions: Sessions, messages: MessageActivities, mailbox: Mailbox) -> None:
        self._sessions = sessions
        self._messages = messages
        self._mailbox = mailbox

    @activity.defn(name="people.farewell")
    async def farewell(self, request: EraseStep) -> None:
        """Deliver the message that an account is being erased.

        Raises:
            ApplicationError: as `MessageActivities.deliver` says.
        """
        async with self._sessions() as session:
            message = await messages.farewell(session, request.user_id)
        if message is not None:
            await self._messages.deliver(DeliverMessage(message))

    @activity.defn(name="people.erase")
    async def erase(self, request: EraseStep) -> Erased:
        """Erase the person, unless an order is under way.

        The kept messages go first: once the account has no address any more, nobody could tell which they were.
        """
        who = Who(user_id=request.user_id)
        async with heartbeats():
            async with self._sessions.begin() as session:
                found = await erasures.purchases(session, who)
                addresses = await erasures.message_addresses(session, who)
            if found.open_orders:
                return Erased(len(found.open_orders))
            await self._mailbox.forget(addresses)
            return await self._erase(request, who)

    async def _erase(self, request: EraseStep, who: Who) -> Erased:
        async with self._sessions.begin() as session:
            found = await erasures.purchases(session, who)
            if found.open_orders:
                return Erased(len(found.open_orders))
            await erasures.erase_purchases(session, found)
            await erasures.erase_account(session, request.user_id)
            if request.last:
                await erasures.complete(session, request.user_id)
        return Erased(0)
