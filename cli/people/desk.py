"""What an operator can do for somebody who asks to be erased: by the e-mail that they have shown to be theirs."""

from dataclasses import dataclass
from uuid import UUID

from activities.ports import Begins, Mailbox
from db import erasures, users
from db.closing import close_account
from db.engine import Sessions
from db.erasures import Who
from domain.accounts import email_key
from domain.errors import TemporarilyUnavailableError


@dataclass(frozen=True, slots=True)
class ErasedPerson:
    """What was erased at once, and the account whose erasure has begun, or begins as soon as Temporal is there."""

    carts: int
    orders: int
    account: UUID | None


class PeopleDesk:
    """Erases people. What was bought as a guest is erased at once; an account by its workflow."""

    def __init__(self, sessions: Sessions, client: Begins, mailbox: Mailbox) -> None:
        self._sessions = sessions
        self._client = client
        self._mailbox = mailbox

    async def erase(self, email: str) -> ErasedPerson:
        """Erase everything that goes by an e-mail. Safe to repeat.

        Raises:
            OrdersOpenError: an order is under way. Nothing was changed.
            UnauthenticatedError: the account is being erased already.
        """
        guest = Who(email=email)
        async with self._sessions.begin() as session:
            account = await users.find_by_email(session, email_key(email))
            if account is not None:
                await close_account(session, account.id)
            found = await erasures.purchases(session, guest)
            erasures.require_settled(found)
            addresses = {email} | await erasures.message_addresses(session, guest)
            await erasures.erase_purchases(session, found)
        await self._mailbox.forget(addresses)
        if account is not None:
            await self._begin(account.id)
        return ErasedPerson(len(found.carts), len(found.orders), account.id if account else None)

    async def _begin(self, user_id: UUID) -> None:
        try:
            await self._client.begin(user_id)
        except TemporarilyUnavailableError:
            return  # the sweep begins it
