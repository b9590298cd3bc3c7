"""A payment provider with somebody in between, who kills the caller or holds a call back where a test says so."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from activities.ports import PaymentProvider
from domain.money import Money
from domain.provider_payments import ProviderPayment, ProviderRefund, SavedMethod

T = TypeVar("T")
Hook = Callable[[], Awaitable[None]]


class CrashError(Exception):
    """The worker dies here: nothing of the step runs any more."""


@dataclass
class Hold:
    """A call that stands still. `reached` says that it does, `opened` lets it go on."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self) -> None:
        self.reached.set()
        await self.opened.wait()


@dataclass
class Meddler:
    """Satisfies `PaymentProvider`. Moments are `before authorise`, `after capture` and so on; each comes true once."""

    provider: PaymentProvider
    hooks: dict[str, Hook] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.provider.name

    def crash(self, moment: str) -> None:
        """Kill the caller at this moment."""

        async def crash() -> None:
            raise CrashError(moment)

        self.hooks[moment] = crash

    def hold(self, moment: str) -> Hold:
        """Hold the caller back at this moment."""
        hold = Hold()
        self.hooks[moment] = hold
        return hold

    async def prepare(
        self, key: str, order_id: UUID, total: Money, *, buyer: str | None = None, keep: bool = False
    ) -> str:
        return await self._pass("prepare", lambda: self.provider.prepare(key, order_id, total, buyer=buyer, keep=keep))

    async def authorise(
        self, key: str, reference: str, payment_method: str, *, off_session: bool = False
    ) -> ProviderPayment:
        return await self._pass(
            "authorise", lambda: self.provider.authorise(key, reference, payment_method, off_session=off_session)
        )

    async def capture(self, key: str, reference: str, amount: Money, *, last: bool = True) -> ProviderPayment:
        return await self._pass("capture", lambda: self.provider.capture(key, reference, amount, last=last))

    async def void(self, key: str, reference: str) -> ProviderPayment:
        return await self._pass("void", lambda: self.provider.void(key, reference))

    async def refund(self, key: str, reference: str, amount: Money) -> ProviderRefund:
        return await self._pass("refund", lambda: self.provider.refund(key, reference, amount))

    async def find(self, reference: str) -> ProviderPayment:
        return await self._pass("find", lambda: self.provider.find(reference))

    def ledger(self, since: datetime | None = None) -> AsyncIterator[ProviderPayment]:
        return self.provider.ledger(since)

    async def save_method(self, key: str, buyer: str, payment_method: str) -> SavedMethod:
        return await self._pass("save_method", lambda: self.provider.save_method(key, buyer, payment_method))

    async def saved_methods(self, buyer: str) -> list[SavedMethod]:
        return await self._pass("saved_methods", lambda: self.provider.saved_methods(buyer))

    async def forget_buyer(self, buyer: str) -> None:
        await self._pass("forget_buyer", lambda: self.provider.forget_buyer(buyer))

    async def _pass(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        self.asked.append(name)
        await self._moment(f"before {name}")
        result = await call()
        await self._moment(f"after {name}")
        return result

    async def _moment(self, moment: str) -> None:
        hook = self.hooks.pop(moment, None)
        if hook is not None:
            await hook()
