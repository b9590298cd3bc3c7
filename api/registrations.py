"""Accounts and passwords by way of the mailbox: to register, and to choose another password."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.errors import InvalidRequestError
from api.passwords import Passwords
from db import links, messages, sessions, users
from db.links import Registration
from db.users import UserRow
from domain.accounts import email_key
from domain.errors import LinkNotValidError
from domain.messages import AccountMessage
from models.columns import new_id
from models.users import LinkPurpose


async def refuse_easy(passwords: Passwords, password: str, field: str, *personal: str | None) -> None:
    """Refuse a password that is easy to guess for who knows these things about its owner.

    Raises:
        InvalidRequestError: it is.
    """
    if await passwords.easy_to_guess(password, *personal):
        raise InvalidRequestError("The password is too easy to guess", "body", field)


async def register(session: AsyncSession, secret: str, email: str, chosen: Registration) -> UUID | None:
    """Mail the link that confirms a registration, or that there is an account already; the id of the message.

    The link is made in either case, so that it takes as long; for who has an account it confirms nothing.
    """
    account = await users.register(session, email_key(email))
    token_id = await links.issue_verification(session, secret, account.id, chosen)
    if account.verified:
        return await messages.queue_message(session, account.id, AccountMessage.ALREADY_REGISTERED)
    return await messages.queue_message(session, account.id, AccountMessage.VERIFY_EMAIL, token_id=token_id)


async def verify_email(session: AsyncSession, token: str) -> None:
    """Make a registration an account, with the password that was chosen in it.

    Raises:
        LinkNotValidError: the link was used, has run out, is none, or there is an account by another one.
    """
    link = await links.use(session, token, LinkPurpose.VERIFY_EMAIL)
    if link is None or not await links.verify(session, link):
        raise LinkNotValidError("register again to get another link")
    await links.withdraw(session, link.user_id)


async def ask_for_reset(session: AsyncSession, secret: str, email: str) -> UUID | None:
    """Mail a link that lets its reader choose another password, if there is an account; the id of the message.

    For an address without an account the same is done for nobody, and taken back: it takes as long.
    """
    token_id, user_id = await links.issue_reset(session, secret, email_key(email))
    trial = await session.begin_nested()
    reader = user_id or new_id()
    queued = await messages.queue_message(session, reader, AccountMessage.PASSWORD_RESET, token_id=token_id)
    if user_id is None:
        await trial.rollback()
        return None
    await trial.commit()
    return queued


async def reader_of_reset(session: AsyncSession, token: str) -> UserRow:
    """Tell who may choose another password by a mailed link, which stays good.

    Raises:
        LinkNotValidError: the link was used, has run out, or is none.
    """
    link = await links.find(session, token, LinkPurpose.RESET_PASSWORD)
    user = None if link is None else await users.find(session, link.user_id)
    if user is None:
        raise LinkNotValidError("ask for another link")
    return user


async def reset_password(session: AsyncSession, token: str, hashed: str) -> UUID | None:
    """Replace a password by a mailed link, which ends every session; the id of the message about it.

    Raises:
        LinkNotValidError: the link was used, has run out, or is none.
    """
    link = await links.use(session, token, LinkPurpose.RESET_PASSWORD)
    if link is None:
        raise LinkNotValidError("ask for another link")
    return await set_password(session, link.user_id, hashed)


async def set_password(
    session: AsyncSession, user_id: UUID, hashed: str, *, keeping: UUID | None = None
) -> UUID | None:
    """Replace a password, and end the sessions and links that came before; the id of the message about it.

    `keeping` is the session that goes on.
    """
    await users.set_password(session, user_id, hashed)
    await sessions.revoke_all(session, user_id, but=keeping)
    await links.withdraw(session, user_id)
    return await messages.queue_message(session, user_id, AccountMessage.PASSWORD_CHANGED)
