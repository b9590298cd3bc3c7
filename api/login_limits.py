"""How often somebody may try to log in, by account and by address.

An account has tries for strangers together, and others for each address from which it was logged in to before: who
wants to lock somebody out from far away can use up those of strangers only. Whether there is an account of the name
that was tried makes no difference.
"""

import math
from dataclasses import dataclass
from datetime import timedelta
from hmac import digest

from sqlalchemy.ext.asyncio import AsyncSession

from db import login_limits
from db.engine import Sessions
from db.login_limits import Allowance
from domain.accounts import email_key
from domain.errors import RateLimitedError

ACCOUNT_EVERY = timedelta(minutes=1)
ADDRESS_EVERY = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Admission:
    """A try that was admitted: what it was counted for, and who is remembered if it turns out right."""

    account: str
    address: str
    counted: Allowance


class LoginLimits:
    """Counts tries, each in a transaction of its own. `account` and `address` are how many there are at once.

    They come back one by one. Addresses are to be given as `api.client_address.household` names them.
    """

    def __init__(self, statements: Sessions, secret: str, *, account: int, address: int) -> None:
        self._statements = statements
        self._key = secret.encode()
        self._account = account
        self._address = address

    async def admit(self, name: str, address: str) -> Admission:
        """Count a try to be `name`, whether there is such an account or not.

        Raises:
            RateLimitedError: there were too many.
        """
        who, where = self.account(name), self._named("address", address)
        async with self._statements() as session:
            await _take(session, Allowance(f"address:{where}", self._address, ADDRESS_EVERY))
            known = await login_limits.knows(session, who, where)
            counted = Allowance(f"account:{who}:{where}" if known else f"account:{who}", self._account, ACCOUNT_EVERY)
            await _take(session, counted)
        return Admission(who, where, counted)

    async def admit_address(self, address: str) -> None:
        """Count something else that an address may not do without end: to register, or to ask for mails.

        Raises:
            RateLimitedError: there was too much of it.
        """
        async with self._statements() as session:
            await _take(session, Allowance(f"address:{self._named('address', address)}", self._address, ADDRESS_EVERY))

    async def was_right(self, session: AsyncSession, admission: Admission) -> None:
        """Note that a try was right: it does not count, and its address is known from now on."""
        await login_limits.give_back(session, admission.counted)
        await login_limits.remember(session, admission.account, admission.address)

    async def trust(self, session: AsyncSession, name: str, address: str) -> None:
        """Note that somebody has shown in another way that an account is theirs: the address is known from now on."""
        await login_limits.remember(session, self.account(name), self._named("address", address))

    def account(self, name: str) -> str:
        """Name an account in the tables of limits (`db.login_limits.forget`)."""
        return self._named("account", email_key(name))

    def _named(self, kind: str, name: str) -> str:
        return digest(self._key, f"everorder:login:{kind}:{name}".encode(), "sha256").hex()


async def _take(session: AsyncSession, allowance: Allowance) -> None:
    wait = await login_limits.take(session, allowance)
    if wait is not None:
        raise RateLimitedError("too many tries", max(1, math.ceil(wait.total_seconds())))
