"""Passwords: hashed with Argon2id, beside the event loop and few at once; those that are easy to guess are refused."""

import asyncio
import re
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from domain.errors import TemporarilyUnavailableError

SHORTEST = 10
LONGEST = 128

_GUESSES = 100_000_000
"""Fewer guesses than these are within reach of somebody who has stolen the hashes (zxcvbn's scores below 3)."""

_RATED = 72
"""Characters that are rated: what comes after them can only make a password harder to guess."""

_TOO_SHORT = 2
"""Parts of a name that are this short stand in any text by accident."""

_AT_ONCE = 4
_WAITING = 200

T = TypeVar("T")


class Passwords:
    """Hashes and compares passwords. So many at once that memory and processors suffice, the others wait."""

    def __init__(self, memory_kib: int, passes: int) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1, type=Type.ID)
        self._nobodys = self._hasher.hash("nobody has this password")
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="passwords")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """Hash a password.

        Raises:
            TemporarilyUnavailableError: too many wait already.
        """
        return await self._beside(lambda: self._hasher.hash(_normal(password)))

    async def verify(self, hashed: str | None, password: str) -> bool:
        """Compare a password with a hash. Without a hash it takes as long, and is never right.

        Raises:
            TemporarilyUnavailableError: too many wait already.
        """
        right = await self._beside(lambda: self._is(hashed or self._nobodys, password))
        return right and hashed is not None

    def outdated(self, hashed: str) -> bool:
        """Tell whether a hash was made with other parameters than are in use now."""
        return self._hasher.check_needs_rehash(hashed)

    async def easy_to_guess(self, password: str, *personal: str | None) -> bool:
        """Tell whether a password is common, or made of common parts or of what is known about its owner.

        Raises:
            TemporarilyUnavailableError: too many wait already.
        """
        return await self._beside(lambda: _guesses(password, [part for part in personal if part]) < _GUESSES)

    def close(self) -> None:
        """Give the threads back."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _is(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, _normal(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _beside(self, work: Callable[[], T]) -> T:
        if self._waiting >= _WAITING:
            raise TemporarilyUnavailableError("too many passwords are being checked")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _normal(password: str) -> str:
    """Write a password in one way, however a keyboard composes its characters (NFKC, as NIST SP 800-63B asks)."""
    return unicodedata.normalize("NFKC", password)


def _guesses(password: str, personal: list[str]) -> float:
    """Estimate how many guesses somebody needs who knows these things, and so what they add to it is nothing."""
    known = {part for text in personal for part in (text, *re.split(r"\W+", text)) if len(part) > _TOO_SHORT}
    rest = _normal(password)[:_RATED]
    for part in sorted(known, key=len, reverse=True):
        rest = re.sub(re.escape(part), "", rest, flags=re.IGNORECASE)
    return float(zxcvbn(rest, user_inputs=[*known])["guesses"]) if rest else 0
