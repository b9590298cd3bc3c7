"""A payment provider with somebody in between, who kills the caller or holds a call back where a test says so."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from activities.ports import PaymentProvider
from domain.money import Money
from domain.provider_payments import ProviderPayment

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

    async def prepare(self, key: str, order_id: UUID, total: Money) -> str:
        return await self._pass("prepare", self.provider.prepare, key, order_id, total)

    async def authorise(self, key: str, reference: str, payment_method: str) -> ProviderPayment:
        return await self._pass("authorise", self.provider.authorise, key, reference, payment_method)

    async def capture(self, key: str, reference: str, amount: Money) -> ProviderPayment:
        return await self._pass("capture", self.provider.capture, key, reference, amount)

    async def void(self, key: str, reference: str) -> ProviderPayment:
        return await self._pass("void", self.provider.void, key, reference)

    async def refund(self, key: str, reference: str, amount: Money) -> ProviderPayment:
        return await self._pass("refund", self.provider.refund, key, reference, amount)

    async def find(self, reference: str) -> ProviderPayment:
        return await self._pass("find", self.provider.find, reference)

    def ledger(self) -> AsyncIterator[ProviderPayment]:
        return self.provider.ledger()

    async def _pass(self, name: str, call: Callable[..., Awaitable[T]], *arguments: object) -> T:
        self.asked.append(name)
        await self._moment(f"before {name}")
        result = await call(*arguments)
        await self._moment(f"after {name}")
        return result

    async def _moment(self, moment: str) -> None:
        hook = self.hooks.pop(moment, None)
        if hook is not None:
            await hook()
