"""Logging in, going on, and logging out."""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from hmac import digest as keyed_digest
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from api.access_tokens import AccessTokens, Identity
from api.login_limits import LoginLimits
from api.passwords import Passwords
from api.security import digest, new_secret
from db import sessions, users
from db.engine import Sessions
from db.users import UserRow
from domain.accounts import email_key
from domain.errors import ForbiddenError, UnauthenticatedError
from domain.roles import STAFF, Role

log = structlog.get_logger(__name__)

GRACE = timedelta(seconds=10)
"""How long after its use a refresh token gives the same answer again, for whom the answer was lost on the way."""

_NOT_RIGHT = "the e-mail or the password is not right"
_ROLES = {role.value: role for role in STAFF}


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What somebody holds who is logged in."""

    access: str
    refresh: str


class Logins:
    """Begins, continues and ends sessions. Nothing that takes long is done within a transaction."""

    def __init__(
        self, opens: Sessions, passwords: Passwords, tokens: AccessTokens, limits: LoginLimits, secret: str
    ) -> None:
        self._sessions = opens
        self._passwords = passwords
        self._tokens = tokens
        self._limits = limits
        self._secret = secret.encode()

    async def log_in(self, email: str, password: str, address: str) -> TokenPair:
        """Begin a session.

        Whether the account or the password is missing, the answer is the same and takes as long.

        Raises:
            UnauthenticatedError: there is no such account, or this is not its password.
            RateLimitedError: there were too many tries.
        """
        admission = await self._limits.admit(email, address)
        async with self._sessions() as session:
            user = await users.find_by_email(session, email_key(email))
        proven = None if user is None else user.password_hash
        if not await self._passwords.verify(proven, password) or user is None or proven is None:
            raise UnauthenticatedError(_NOT_RIGHT)
        better = await self._passwords.hash(password) if self._passwords.outdated(proven) else None
        refresh = new_secret()
        async with self._sessions.begin() as session:
            session_id = await sessions.begin(session, user.id, digest(refresh), proven=proven)
            if session_id is None:
                raise UnauthenticatedError(_NOT_RIGHT)
            if better is not None:
                await users.rehash(session, user.id, proven, better)
            await self._limits.was_right(session, admission)
        return await self._pair(user.id, session_id, user.roles, refresh)

    async def refresh(self, token: str) -> TokenPair:
        """Exchange a refresh token for the next one. One that was exchanged before ends the session: it was stolen.

        Raises:
            UnauthenticatedError: it is not known, or its session has ended.
        """
        following = self._following(token)
        async with self._sessions.begin() as session:
            found = await sessions.lock(session, digest(token))
            usable = found is not None and await self._exchanged(session, found.id, token, following)
        if found is None or not usable:
            raise UnauthenticatedError("the refresh token is not known")
        return await self._pair(found.user_id, found.id, found.roles, following)

    async def log_out(self, token: str) -> None:
        """End the session of a refresh token, if there is one."""
        async with self._sessions.begin() as session:
            await sessions.revoke_by_token(session, digest(token))

    async def confirm(self, user_id: UUID, password: str, address: str) -> UserRow:
        """Ask somebody who is logged in for the password again, and return the account.

        Raises:
            UnauthenticatedError: there is no such account any more.
            ForbiddenError: it is not the password.
            RateLimitedError: there were too many tries.
        """
        async with self._sessions() as session:
            user = await users.find(session, user_id)
        if user is None:
            raise UnauthenticatedError("there is no such account any more")
        admission = await self._limits.admit(user.email, address)
        if not await self._passwords.verify(user.password_hash, password):
            raise ForbiddenError("the password is not right")
        async with self._sessions.begin() as session:
            await self._limits.was_right(session, admission)
        return user

    async def _exchanged(self, session: AsyncSession, session_id: UUID, token: str, following: str) -> bool:
        if await sessions.use(session, digest(token), digest(following)):
            return True
        if await sessions.repeated(session, digest(token), digest(following), GRACE):
            return True
        await sessions.revoke(session, session_id)
        log.warning("refresh_token_reused", session_id=str(session_id))
        return False

    def _following(self, token: str) -> str:
        """Compute the token after this one: the same at every try, and only from the token itself and our secret."""
        following = keyed_digest(self._secret, b"everorder:refresh-token:" + token.encode(), "sha256")
        return urlsafe_b64encode(following).decode().rstrip("=")

    async def _pair(self, user_id: UUID, session_id: UUID, granted: list[str], refresh: str) -> TokenPair:
        roles: frozenset[Role] = frozenset(_ROLES[name] for name in granted)
        return TokenPair(await self._tokens.issue(Identity(user_id, session_id, roles)), refresh)
